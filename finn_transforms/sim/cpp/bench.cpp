// Runs one unit of a Verilator model: beats from files, beats and the cycle of each into files.
//
// Arguments: unit seed valid_probability ready_probability ready_after_valid patience folder, then beats per source and
// per sink. Ends with status 3 and a line on stderr where the unit breaks the rules of a stream or stops.
#include "bench.h"
#include "verilated.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

double sc_time_stamp() { return 0; }

namespace {

constexpr int kReset = 8;    // cycles of reset
constexpr int kDrain = 64;   // cycles in which nothing more may come

struct Random {
    uint64_t state;
    uint64_t next() {
        uint64_t z = (state += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }
    bool chance(double probability) { return double(next() >> 11) * 0x1p-53 < probability; }
};

int words_of(int bits) { return ((bits + 31) / 32 + 1) / 2 * 2; }

std::string shown(const uint32_t* words, int bits) {
    std::string text = "0x";
    char part[9];
    for (int i = (bits + 31) / 32 - 1; i >= 0; --i) {
        std::snprintf(part, sizeof part, "%08x", words[i]);
        text += part;
    }
    return text;
}

[[noreturn]] void fail(const std::string& message) {
    std::fprintf(stderr, "%s\n", message.c_str());
    std::exit(3);
}

struct Feed {
    Source* stream;
    int words;
    uint64_t total;
    Words data;
    std::vector<int64_t> cycles{};
    bool waiting = false;
    bool done() const { return cycles.size() == total; }
};

struct Drain {
    Sink* stream;
    int words;
    uint64_t total;
    uint64_t more;  // beats of the next frame that wait for no input
    Words now{};
    Words before{};
    bool valid = false;
    bool held = false;  // it was valid and not taken in the cycle before
    bool ready = false;
    Words data{};
    std::vector<int64_t> cycles{};
    bool done() const { return cycles.size() == total; }
};

void write(const std::string& path, const void* data, size_t size) {
    FILE* file = std::fopen(path.c_str(), "wb");
    if (!file || std::fwrite(data, 1, size, file) != size || std::fclose(file)) fail("cannot write " + path);
}

Words read(const std::string& path, size_t count) {
    Words data(count + 2);
    FILE* file = std::fopen(path.c_str(), "rb");
    if (!file || std::fread(data.data(), 4, count, file) != count) fail("cannot read " + path);
    std::fclose(file);
    return data;
}

std::string state(const std::vector<Feed>& feeds, const std::vector<Drain>& drains) {
    std::string text;
    for (const Feed& f : feeds)
        text += "; " + f.stream->name + ": " + std::to_string(f.cycles.size()) + " of " + std::to_string(f.total) +
                " beats accepted, tvalid " + std::to_string(f.waiting) + ", tready " + std::to_string(f.stream->ready());
    for (const Drain& d : drains) {
        if (!d.stream->ready && d.done()) continue;
        text += "; " + d.stream->name + ": " + std::to_string(d.cycles.size()) + " of " + std::to_string(d.total) +
                (d.stream->ready ? " beats produced" : " beats passed");
        if (d.stream->ready) text += ", tvalid " + std::to_string(d.valid) + ", tready " + std::to_string(d.ready);
    }
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 8) fail("too few arguments");
    auto context = std::make_unique<VerilatedContext>();
    const uint64_t seed = std::strtoull(argv[2], nullptr, 10);
    const double valid_probability = std::atof(argv[3]), ready_probability = std::atof(argv[4]);
    const bool ready_after_valid = std::atoi(argv[5]);
    const int64_t patience = std::atoll(argv[6]);
    const std::string folder = argv[7];
    context->randReset(2);  // registers without reset begin with random bits
    context->randSeed(int(seed % 2147483646 + 1));
    Design model = design(context.get());
    Unit& unit = model.units.at(std::strtoull(argv[1], nullptr, 10));
    Random random{seed};

    std::vector<Feed> feeds;
    std::vector<Drain> drains;
    int next = 8;
    for (Source& s : unit.sources) {
        const uint64_t total = std::strtoull(argv[next++], nullptr, 10);
        const int words = words_of(s.bits);
        feeds.push_back({&s, words, total, read(folder + "/" + s.name + ".in", total * words)});
    }
    for (Sink& s : unit.sinks) {
        const int words = words_of(s.bits);
        drains.push_back({&s, words, 0, 0, Words(words), Words(words)});
        drains.back().total = std::strtoull(argv[next++], nullptr, 10);
        drains.back().more = std::strtoull(argv[next++], nullptr, 10);
    }

    unit.reset(false);
    for (int i = 0; i < kReset; ++i) {
        for (Feed& f : feeds) f.stream->drive(false, Words(f.words, 0x5A5A5A5Au).data());
        for (Drain& d : drains)
            if (d.stream->ready) d.stream->ready(false);
        unit.clock(false);
        model.eval();
        unit.clock(true);
        model.eval();
    }
    int64_t moved = 0;
    for (int64_t cycle = 0;; ++cycle) {
        unit.reset(true);
        unit.clock(false);
        for (Feed& f : feeds) {
            if (!f.waiting && !f.done()) f.waiting = random.chance(valid_probability);
            if (f.waiting) {
                f.stream->drive(true, &f.data[f.cycles.size() * f.words]);
            } else {
                Words noise(f.words);
                for (int i = 0; i < (f.stream->bits + 31) / 32; ++i) noise[i] = uint32_t(random.next());
                if (f.stream->bits % 32) noise[(f.stream->bits - 1) / 32] &= (1u << f.stream->bits % 32) - 1;
                f.stream->drive(false, noise.data());
            }
        }
        // What a sink offers may not depend on what its reader says in the same cycle: look at it with the other answer.
        for (Drain& d : drains) {
            if (!d.stream->ready) {
                d.ready = true;
                continue;
            }
            d.ready = random.chance(ready_probability) && (!ready_after_valid || d.held);
            d.stream->ready(!d.ready);
        }
        model.eval();
        std::vector<bool> valid;
        for (Drain& d : drains) {
            valid.push_back(d.stream->valid());
            d.stream->data(d.now.data());
            d.before.swap(d.now);
            if (d.stream->ready) d.stream->ready(d.ready);
        }
        model.eval();
        bool any = false, unfinished = false;
        for (size_t i = 0; i < drains.size(); ++i) {
            Drain& d = drains[i];
            d.valid = d.stream->valid();
            d.stream->data(d.now.data());
            const auto fail_at = [&](const std::string& message) {
                fail(d.stream->name + " in cycle " + std::to_string(cycle) + ", beat " +
                     std::to_string(d.cycles.size()) + ": " + message);
            };
            if (d.stream->ready && (d.valid != valid[i] || (d.valid && d.before != d.now)))
                fail_at("tvalid or tdata depends on tready of the same cycle");
            if (d.held && !d.valid) fail_at("tvalid fell before the beat was taken");
            if (d.held && d.valid && !d.done()) {
                const uint32_t* offered = &d.data[d.cycles.size() * d.words];
                for (int w = 0; w < d.words; ++w)
                    if (offered[w] != d.now[w])
                        fail_at("tdata changed while waiting, from " + shown(offered, d.stream->bits) + " to " +
                                shown(d.now.data(), d.stream->bits));
            }
            if (d.valid && !d.held && !d.done()) d.data.insert(d.data.end(), d.now.begin(), d.now.end());
            if (d.valid && d.ready) {
                if (!d.done()) {
                    d.cycles.push_back(cycle);
                    any = true;
                } else if (!d.more--) {
                    fail_at("expected " + std::to_string(d.total) + " beats, found one more");
                }
            }
            d.held = d.valid && !d.ready;
            unfinished |= !d.done();
        }
        for (Feed& f : feeds) {
            if (f.waiting && f.stream->ready()) {
                f.cycles.push_back(cycle);
                f.waiting = false;
                any = true;
            }
            unfinished |= !f.done();
        }
        if (any) moved = cycle;
        unit.clock(true);
        model.eval();
        if (!unfinished && cycle - moved > kDrain) break;
        if (unfinished && cycle - moved > patience)
            fail("deadlock: nothing moved for " + std::to_string(patience) + " cycles up to cycle " + std::to_string(cycle) +
                 state(feeds, drains));
    }
    for (Feed& f : feeds) write(folder + "/" + f.stream->name + ".cycles", f.cycles.data(), f.cycles.size() * 8);
    for (Drain& d : drains) {
        write(folder + "/" + d.stream->name + ".out", d.data.data(), d.cycles.size() * d.words * 4);
        write(folder + "/" + d.stream->name + ".cycles", d.cycles.data(), d.cycles.size() * 8);
    }
    model.final();
    return 0;
}
