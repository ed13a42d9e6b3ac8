// Matrix-vector unit whose inputs have exponents: sums of (input * weight) << exponent, modulo 2^P.
//
// Folding, weights, handshake as bfx_mvau. Lanes whose exponents are the same in every word are a class: LANES lists the
// lanes of the first class, then those of the second one, and so on, SIZES how many each has. The exponent of a class is
// its BASE and what TABLE says for the word, whose ROWS repeat; see bfx_shift_dot.
module bfx_shift_mvau #(
    parameter int SIMD = 4,
    parameter int PE = 2,
    parameter int SF = 4,
    parameter int NF = 2,
    parameter int P = 16,
    parameter int WEIGHT_BITS = 4,
    parameter bit WEIGHT_SIGNED = 1,
    parameter int INPUT_BITS = 4,
    parameter bit INPUT_SIGNED = 0,
    parameter bit STREAMED = 0,
    parameter BUFFER_STYLE = "distributed",
    parameter int CLASSES = 1,
    parameter bit [SIMD-1:0][31:0] LANES = {32'd3, 32'd2, 32'd1, 32'd0},
    parameter bit [CLASSES-1:0][31:0] SIZES = 32'd4,
    parameter bit [CLASSES-1:0][31:0] BASES = 32'd0,
    parameter bit [CLASSES-1:0][31:0] SPANS = 32'd1,
    parameter bit [CLASSES-1:0][63:0] WEIGHTS = 64'd6,
    parameter int ROWS = 2,
    parameter int BITS = 1,
    parameter logic [ROWS*CLASSES*BITS-1:0] TABLE = 2'd2,
    parameter bit HELD = 0,
    parameter int ADDRESS_BITS = NF * SF > 1 ? $clog2(NF * SF) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire [SIMD*INPUT_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    input wire [PE*SIMD*WEIGHT_BITS-1:0] weights,
    input wire weights_valid,
    output wire weights_ready,
    output wire advance,
    output wire [ADDRESS_BITS-1:0] address,
    output logic [PE*P-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    // Planes of the narrower factor.
    localparam bit SelectsInput = INPUT_BITS < WEIGHT_BITS;
    localparam int Planes = SelectsInput ? INPUT_BITS : WEIGHT_BITS;
    localparam int W = SelectsInput ? WEIGHT_BITS : INPUT_BITS;
    typedef bit [CLASSES-1:0][31:0] sizes_t;

    function automatic int tree_levels(int operands);
        int levels = 0;
        for (int n = operands; n > 1; n = (n + 2) / 3) levels++;
        return levels;
    endfunction

    function automatic int shift_levels(int operands);
        int levels = 0;
        for (int n = operands; n > 2; n = n / 3 + n % 3) levels++;
        return levels;
    endfunction

    // Registers of the sum of a class.
    function automatic int depth_of(int c);
        int terms = int'(SIZES[c]);
        int room = P - int'(BASES[c]);
        int leaves = W == 1 ? (terms + 2) / 3 : (terms + 1) / 2;
        return 2 + tree_levels(leaves) + shift_levels(Planes < room ? Planes : room);
    endfunction

    function automatic int longest();
        int result = 0;
        for (int c = 0; c < CLASSES; c++) if (depth_of(c) > result) result = depth_of(c);
        return result;
    endfunction

    localparam int Front = longest();

    function automatic sizes_t waits();
        sizes_t result;
        for (int c = 0; c < CLASSES; c++) result[c] = 32'(Front - depth_of(c));
        return result;
    endfunction

    localparam sizes_t Waits = waits();
    localparam int Back = shift_levels(CLASSES) + (HELD ? 1 : 0);

    wire en, leaves, wants;
    wire [SIMD-1:0][INPUT_BITS-1:0] word;
    wire word_valid, word_first, word_last;
    bfx_vector_feed #(
        .WIDTH(SIMD * INPUT_BITS), .BEATS(SF), .REPEATS(NF), .RAM_STYLE(BUFFER_STYLE)
    ) i_feed (
        .clk, .rst_n, .en, .in_data, .in_valid, .in_ready, .may_leave(!STREAMED || weights_valid), .leaves, .wants,
        .number(address), .word, .word_valid, .first(word_first), .last(word_last)
    );
    assign advance = en;
    assign weights_ready = en && wants;

    // Words of a stream are as late as the feed makes the inputs.
    wire [PE-1:0][SIMD-1:0][WEIGHT_BITS-1:0] matrix;
    if (STREAMED) begin : gen_streamed
        localparam int Late = NF > 1 && SF > 1 ? 2 : 1;
        logic [Late-1:0][PE*SIMD*WEIGHT_BITS-1:0] taken;
        always_ff @(posedge clk) if (en) taken <= (Late*PE*SIMD*WEIGHT_BITS)'({taken, weights});
        assign matrix = taken[Late-1];
        wire unused = &{1'b0, leaves};
    end else begin : gen_read
        assign matrix = weights;
        wire unused = &{1'b0, leaves, wants, weights_valid};
    end

    wire summed_valid, summed_first, summed_last, valid, first, last;
    bfx_marks #(.DEPTH(Front)) i_summed (
        .clk, .rst_n, .en, .valid(word_valid), .first(word_first), .last(word_last),
        .late_valid(summed_valid), .late_first(summed_first), .late_last(summed_last)
    );
    if (Back > 0) begin : gen_back
        bfx_marks #(.DEPTH(Back)) i_moved (
            .clk, .rst_n, .en, .valid(summed_valid), .first(summed_first), .last(summed_last),
            .late_valid(valid), .late_first(first), .late_last(last)
        );
    end else begin : gen_here
        assign {valid, first, last} = {summed_valid, summed_first, summed_last};
    end
    wire [CLASSES-1:0][BITS-1:0] amounts;
    wire unused_always;
    bfx_constants #(
        .WIDTH(CLASSES * BITS), .ROWS(ROWS), .TABLE(TABLE), .REGISTERED(1)
    ) i_amounts (
        .clk, .rst_n, .out_data(amounts), .out_valid(unused_always), .out_ready(en && summed_valid)
    );

    wire [PE-1:0][P-1:0] results;
    for (genvar p = 0; p < PE; p++) begin : gen_pe
        wire [SIMD-1:0][Planes-1:0] select;
        wire [SIMD-1:0][W-1:0] value;
        for (genvar s = 0; s < SIMD; s++) begin : gen_term
            localparam int Lane = int'(LANES[s]);
            assign select[s] = Planes'(SelectsInput ? word[Lane] : matrix[p][Lane]);
            assign value[s] = W'(SelectsInput ? matrix[p][Lane] : word[Lane]);
        end
        bfx_shift_dot #(
            .SIMD(SIMD), .PLANES(Planes), .NEGATIVE(SelectsInput ? INPUT_SIGNED : WEIGHT_SIGNED), .W(W),
            .SIGNED(SelectsInput ? WEIGHT_SIGNED : INPUT_SIGNED), .P(P), .ONCE(SF == 1), .CLASSES(CLASSES),
            .SIZES(SIZES), .WAITS(Waits), .BASES(BASES), .SPANS(SPANS), .WEIGHTS(WEIGHTS), .BITS(BITS), .HELD(HELD)
        ) i_dot (.clk, .en, .select, .value, .amounts, .add(valid), .first, .y(results[p]));
    end

    bfx_sums_out #(.WIDTH(PE * P), .SF(SF)) i_out (
        .clk, .rst_n, .sums(results), .valid, .last, .en, .out_data, .out_valid, .out_ready
    );
endmodule
