// Streams of a Verilator model, driven and checked by bench.cpp.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

using Words = std::vector<uint32_t>;

template <class Port> void load(Port& port, const uint32_t* words) {
    if constexpr (std::is_integral_v<Port>) {
        uint64_t value = words[0];
        if constexpr (sizeof(Port) > 4) value |= uint64_t(words[1]) << 32;
        port = static_cast<Port>(value);
    } else {
        for (size_t i = 0; i < sizeof(Port) / 4; ++i) port[i] = words[i];
    }
}

template <class Port> void store(const Port& port, uint32_t* words) {
    if constexpr (std::is_integral_v<Port>) {
        words[0] = static_cast<uint32_t>(port);
        if constexpr (sizeof(Port) > 4) words[1] = static_cast<uint32_t>(uint64_t(port) >> 32);
    } else {
        for (size_t i = 0; i < sizeof(Port) / 4; ++i) words[i] = port[i];
    }
}

struct Source {  // an input stream of the unit
    std::string name;
    int bits;
    std::function<void(bool, const uint32_t*)> drive;
    std::function<bool()> ready;
};

struct Sink {  // an output stream of the unit; `ready` is empty where the bench only looks on
    std::string name;
    int bits;
    std::function<void(bool)> ready;
    std::function<bool()> valid;
    std::function<void(uint32_t*)> data;
};

struct Unit {
    std::string name;
    std::function<void(bool)> clock;
    std::function<void(bool)> reset;
    std::vector<Source> sources;
    std::vector<Sink> sinks;
};

struct Design {  // the model that Verilator made, behind functions: the bench is compiled once for all models
    std::vector<Unit> units;
    std::function<void()> eval;
    std::function<void()> final;
};

class VerilatedContext;
Design design(VerilatedContext* context);
