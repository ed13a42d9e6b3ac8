// Hands out vectors in BEATS words each, every vector REPEATS times, with the number of the word in REPEATS * BEATS.
//
// REPEATS > 1: words of the first round are kept in a memory (a vector of one word: in a register, while another one
// takes the next), so that a word leaves in every cycle without gap. `in_ready` comes from registers and `en` only.
module bfx_vector_feed #(
    parameter int WIDTH = 8,
    parameter int BEATS = 4,
    parameter int REPEATS = 2,
    // Attributes mean nothing to a simulator.
    // verilator lint_off UNUSEDPARAM
    parameter RAM_STYLE = "distributed",
    // verilator lint_on UNUSEDPARAM
    parameter int BITS = BEATS * REPEATS > 1 ? $clog2(BEATS * REPEATS) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire en,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    // A word may leave; `leaves` tells that it does. What is read by `number` in the next enabled cycle meets `word`.
    input wire may_leave,
    output wire leaves,
    output wire wants,
    output logic [BITS-1:0] number,
    output logic [WIDTH-1:0] word,
    output logic word_valid,
    output logic first,
    output logic last
);
    localparam int PlaceBits = BEATS > 1 ? $clog2(BEATS) : 1;
    wire [BITS-1:0] count;
    wire [PlaceBits-1:0] place;
    wire ends, place_ends;
    bfx_counter #(.SIZE(BEATS * REPEATS)) i_count (.clk, .rst_n, .step(leaves), .count, .last(ends));
    if (BEATS == 2 ** PlaceBits) begin : g_low
        assign place = count[PlaceBits-1:0];
        assign place_ends = &place;
    end else begin : g_place
        bfx_counter #(.SIZE(BEATS)) i_place (.clk, .rst_n, .step(leaves), .count(place), .last(place_ends));
    end

    if (REPEATS == 1) begin : g_once
        wire unused = &{1'b0, ends};
        assign wants = in_valid;
        assign leaves = en && in_valid && may_leave;
        assign in_ready = en && may_leave;
        assign number = count;
        always_ff @(posedge clk) begin
            if (en) begin
                word <= in_data;
                first <= place == '0;
                last <= place_ends && leaves;
                word_valid <= leaves;
            end
            if (!rst_n) {first, last, word_valid} <= '0;
        end
    end else if (BEATS == 1) begin : g_held
        logic [WIDTH-1:0] now, next;
        logic now_valid, next_valid;
        wire unused = &{1'b0, place, place_ends};
        wire done = leaves && ends;
        wire move = next_valid && (done || !now_valid);
        assign wants = now_valid;
        assign leaves = en && now_valid && may_leave;
        assign in_ready = !next_valid;
        assign number = count;
        always_ff @(posedge clk) begin
            if (in_ready) next <= in_data;
            if (move) now <= next;
            if (en) begin
                word <= now;
                first <= 1'b1;
                last <= leaves;
                word_valid <= leaves;
            end
            next_valid <= in_ready ? in_valid : !move;
            now_valid <= move || (now_valid && !done);
            if (!rst_n) {now_valid, next_valid, first, last, word_valid} <= '0;
        end
    end else begin : g_kept
        (* ram_style = RAM_STYLE *)
        logic [WIDTH-1:0] memory[BEATS];
        logic [PlaceBits-1:0] from;
        logic filling, read, read_first, read_last;
        assign wants = !filling || in_valid;
        assign leaves = en && wants && may_leave;
        assign in_ready = en && filling && may_leave;
        always_ff @(posedge clk) begin
            if (in_ready && in_valid) memory[place] <= in_data;
            if (en) begin
                from <= place;
                number <= count;
                read <= leaves;
                read_first <= place == '0;
                read_last <= place_ends && leaves;
                word <= memory[from];
                word_valid <= read;
                first <= read_first;
                last <= read_last;
            end
            if (leaves && place_ends) filling <= ends;
            if (!rst_n) {filling, read, read_first, read_last, first, last, word_valid} <= {1'b1, 6'b0};
        end
    end
endmodule
