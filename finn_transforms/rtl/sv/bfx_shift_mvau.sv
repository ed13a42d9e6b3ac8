// Matrix-vector unit whose inputs have exponents: sums of (input * weight) << exponent, modulo 2^P.
//
// Folding, weights, handshake as bfx_mvau. Lanes whose exponents are the same in every word are a class: LANES lists the
// lanes of the first class, then those of the second one, and so on, SIZES how many each has. The exponent of a class is
// its BASE and what TABLE says for the word, whose ROWS repeat: by how much more, at most NEAR, and above that a bit for a
// STEP per class. See bfx_shift_dot.
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
    parameter bit [CLASSES-1:0][31:0] STEPS = 32'd1,
    parameter bit [CLASSES-1:0][31:0] NEAR = 32'd0,
    parameter bit [CLASSES-1:0][63:0] WEIGHTS = 64'd6,
    parameter int ROWS = 2,
    parameter int BITS = 1,
    parameter logic [ROWS*CLASSES*(BITS+1)-1:0] TABLE = 4'd8,
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

    // Registers of the planes of a class, and those up to the operands of its last adder.
    function automatic int plane_levels(int c);
        int terms = int'(SIZES[c]);
        return 1 + tree_levels(W == 1 ? (terms + 2) / 3 : (terms + 1) / 2);
    endfunction

    function automatic int longest();
        int result = 0;
        for (int c = 0; c < CLASSES; c++) begin
            int room = P - int'(BASES[c]);
            int depth = plane_levels(c) + shift_levels(Planes < room ? Planes : room);
            if (depth > result) result = depth;
        end
        return result;
    endfunction

    localparam int Front = longest();

    function automatic sizes_t levels();
        sizes_t result;
        for (int c = 0; c < CLASSES; c++) result[c] = 32'(Front - plane_levels(c));
        return result;
    endfunction

    localparam sizes_t Levels = levels();
    localparam int Back = 1 + shift_levels(CLASSES) + (HELD ? 1 : 0);

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

    wire front_valid, front_first, front_last, valid, first, last;
    bfx_marks #(.DEPTH(Front)) i_front (
        .clk, .rst_n, .en, .valid(word_valid), .first(word_first), .last(word_last),
        .late_valid(front_valid), .late_first(front_first), .late_last(front_last)
    );
    bfx_marks #(.DEPTH(Back)) i_back (
        .clk, .rst_n, .en, .valid(front_valid), .first(front_first), .last(front_last),
        .late_valid(valid), .late_first(first), .late_last(last)
    );
    wire [CLASSES-1:0][BITS:0] amounts;
    wire [CLASSES-1:0] far;
    logic [CLASSES-1:0][BITS-1:0] near;
    wire unused_always;
    bfx_constants #(
        .WIDTH(CLASSES * (BITS + 1)), .ROWS(ROWS), .TABLE(TABLE), .REGISTERED(1)
    ) i_amounts (
        .clk, .rst_n, .out_data(amounts), .out_valid(unused_always), .out_ready(en && front_valid)
    );
    for (genvar c = 0; c < CLASSES; c++) begin : gen_amount
        assign far[c] = amounts[c][BITS];
        always_ff @(posedge clk) if (en) near[c] <= amounts[c][BITS-1:0];
    end

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
            .SIZES(SIZES), .LEVELS(Levels), .BASES(BASES), .STEPS(STEPS), .NEAR(NEAR), .WEIGHTS(WEIGHTS), .BITS(BITS),
            .HELD(HELD)
        ) i_dot (.clk, .en, .select, .value, .far, .near, .add(valid), .first, .y(results[p]));
    end

    bfx_sums_out #(.WIDTH(PE * P), .SF(SF)) i_out (
        .clk, .rst_n, .sums(results), .valid, .last, .en, .out_data, .out_valid, .out_ready
    );
endmodule
