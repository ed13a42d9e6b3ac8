// Matrix-vector unit for activations in SPARQ's code: NF groups of PE dot products over SF words of SIMD activations.
//
// With PAIRS two activations come as two fields of N bits, each with the place of its shift, and a MuxCtrl that says which
// weights they meet; two products of N x B bits are one multiplier (bfx_sparq_pair). An initiation interval of NF * SF cycles per vector.
// Weights as in bfx_mvau: STREAMED, or from a memory outside that is read at `address` when `advance` is set. Results are kept
// in a register until they are taken. SF > 1: out_ready reaches no other signal within a cycle. SF = 1: it enables the
// pipeline, and with NF = 1 it also makes in_ready.
module bfx_sparq_mvau #(
    parameter int unsigned SIMD = 4,
    parameter int unsigned PE = 2,
    parameter int unsigned SF = 4,
    parameter int unsigned NF = 2,
    parameter int unsigned P = 24,
    parameter int unsigned N = 4,
    parameter int unsigned B = 8,
    parameter bit WEIGHT_SIGNED = 1,
    parameter bit PAIRS = 1,
    parameter int unsigned PLACES = 5,
    parameter bit [PLACES-1:0][31:0] TABLE = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0},
    parameter bit STREAMED = 0,
    parameter BUFFER_STYLE = "distributed",
    parameter int unsigned WORDS = PAIRS ? SIMD / 2 : SIMD,
    parameter int unsigned WORD = PAIRS ? 2 * (N + $clog2(PLACES)) + 2 : N + $clog2(PLACES),
    parameter int unsigned ADDRESS_BITS = NF * SF > 1 ? $clog2(NF * SF) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire [WORDS*WORD-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    input wire [PE*SIMD*B-1:0] weights,
    input wire weights_valid,
    output wire weights_ready,
    output wire advance,
    output wire [ADDRESS_BITS-1:0] address,
    output logic [PE*P-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned C = $clog2(PLACES);
    localparam int unsigned Pairs = (SIMD + 1) / 2;
    // Registers of a product but for the last one: one behind the rows, and those of their adders.
    localparam int unsigned Rows = (N + 1) / 2;
    localparam int unsigned Early = Rows == 1 ? 0 : Rows == 4 ? 2 : 1;

    function automatic int unsigned tree_levels(int unsigned operands);
        int unsigned levels = 0;
        for (int unsigned n = operands; n > 1; n = (n + 2) / 3) levels++;
        return levels;
    endfunction

    localparam int unsigned Depth = Early + (PLACES > 4 ? 4 : 3) + tree_levels(Pairs);
    // Each result of signed weights is too large by 2^(B + 8).
    localparam bit [63:0] Excess = WEIGHT_SIGNED ? (64'(Pairs) * 64'(SF)) << (B + 8) : 64'd0;
    localparam bit [P-1:0] Start = P'(-Excess);

    wire en, leaves, wants;
    wire [WORDS-1:0][WORD-1:0] word;
    wire word_valid, word_first, word_last;
    bfx_vector_feed #(
        .WIDTH(WORDS * WORD), .BEATS(SF), .REPEATS(NF), .RAM_STYLE(BUFFER_STYLE)
    ) i_feed (
        .clk, .rst_n, .en, .in_data, .in_valid, .in_ready, .may_leave(!STREAMED || weights_valid), .leaves, .wants,
        .number(address), .word, .word_valid, .first(word_first), .last(word_last)
    );
    assign advance = en;
    assign weights_ready = en && wants;

    // Words of a stream are as late as the feed makes the activations.
    wire [PE-1:0][SIMD-1:0][B-1:0] matrix;
    if (STREAMED) begin : gen_streamed
        localparam int unsigned Late = NF > 1 && SF > 1 ? 2 : 1;
        logic [Late-1:0][PE*SIMD*B-1:0] taken;
        always_ff @(posedge clk) if (en) taken <= (Late*PE*SIMD*B)'({taken, weights});
        assign matrix = taken[Late-1];
        wire unused = &{1'b0, leaves};
    end else begin : gen_read
        assign matrix = weights;
        wire unused = &{1'b0, leaves, wants, weights_valid};
    end

    wire valid, first, last;
    bfx_marks #(.DEPTH(Depth)) i_marks (
        .clk, .rst_n, .en, .valid(word_valid), .first(word_first), .last(word_last),
        .late_valid(valid), .late_first(first), .late_last(last)
    );
    logic [Early:0][2*Pairs-1:0][C-1:0] places;
    wire [2*Pairs-1:0][N-1:0] fields;
    wire [2*Pairs-1:0] crossed;
    for (genvar s = 0; s < int'(2 * Pairs); s++) begin : gen_field
        localparam int unsigned At = PAIRS ? s % 2 * (N + C) : 0;
        localparam int unsigned Place = PAIRS ? s / 2 : s;
        if (Place < WORDS) begin : gen_some
            assign {places[0][s], fields[s]} = word[Place][At+:N+C];
        end else begin : gen_none
            assign {places[0][s], fields[s]} = '0;
        end
        if (PAIRS) begin : gen_crossed
            assign crossed[s] = word[Place][2*(N+C)+1-s%2];
        end else begin : gen_straight
            assign crossed[s] = 1'b0;
        end
    end
    // With a reset, as the marks.
    if (Early > 0) begin : gen_early
        always_ff @(posedge clk) begin
            if (!rst_n) places[Early:1] <= '0;
            else if (en) places[Early:1] <= places[Early-1:0];
        end
    end

    logic [PE-1:0][P-1:0] results;
    for (genvar p = 0; p < int'(PE); p++) begin : gen_pe
        wire [2*Pairs-1:0][B-1:0] column = (2 * Pairs * B)'(matrix[p]);
        wire [Pairs-1:0][B+8:0] sums;
        for (genvar s = 0; s < int'(Pairs); s++) begin : gen_pair
            bfx_sparq_pair #(
                .N(N), .B(B), .SIGNED(WEIGHT_SIGNED), .PLACES(PLACES), .TABLE(TABLE)
            ) i_pair (
                .clk, .en, .fields(fields[2*s+:2]), .crossed(crossed[2*s+:2]), .weights(column[2*s+:2]),
                .places(places[Early][2*s+:2]), .y(sums[s])
            );
        end
        wire [P-1:0] sum;
        bfx_adder_tree #(.N(Pairs), .W(B + 9), .MAX((64'd1 << (B + 9)) - 1), .OW(P)) i_tree (
            .clk, .en, .x(sums), .y(sum)
        );
        wire [P-1:0] total = SF == 1 || first ? Start : results[p];
        always_ff @(posedge clk) if (en && valid) results[p] <= total + sum;
    end

    bfx_sums_out #(.WIDTH(PE * P), .SF(SF)) i_out (
        .clk, .rst_n, .sums(results), .valid, .last, .en, .out_data, .out_valid, .out_ready
    );
endmodule
