// Dot product whose terms have exponents, summed over the words of a vector, modulo 2^P: terms of equal exponents are
// summed first, each such class of them is shifted once, and the classes are added with the accumulator.
//
// Terms come in the order of their classes. A class is shifted by its BASE, which is wires, by its STEP where `far` says
// so, which its last adder does, and by `near`, at most NEAR. All operands are unsigned: what inverted top bits and complements add is a constant, which is where the
// accumulator starts. Behind the classes' sums are a register if HELD, and the steps of the tree over the classes.
module bfx_shift_dot #(
    parameter int SIMD = 4,
    parameter int PLANES = 4,
    parameter bit NEGATIVE = 1,  // `select` is two's complement
    parameter int W = 4,
    parameter bit SIGNED = 0,  // `value` is two's complement
    parameter int P = 12,
    parameter bit ONCE = 0,  // a vector is one word
    parameter int CLASSES = 2,
    parameter bit [CLASSES-1:0][31:0] SIZES = {32'd2, 32'd2},
    parameter bit [CLASSES-1:0][31:0] LEVELS = '0,  // of adders of planes, so that all classes are as late
    parameter bit [CLASSES-1:0][31:0] BASES = {32'd1, 32'd0},  // ascending, less than P
    parameter bit [CLASSES-1:0][31:0] STEPS = '0,
    parameter bit [CLASSES-1:0][31:0] NEAR = '0,
    parameter bit [CLASSES-1:0][63:0] WEIGHTS = {64'd2, 64'd1},  // sum of 2^exponent over the words of a vector
    parameter int BITS = 1,
    parameter bit HELD = 0
) (
    input wire clk,
    input wire en,
    input wire [SIMD-1:0][PLANES-1:0] select,
    input wire [SIMD-1:0][W-1:0] value,
    input wire [CLASSES-1:0] far,  // with the operands of a class's last adder
    input wire [CLASSES-1:0][BITS-1:0] near,  // with the classes' sums
    input wire add,
    input wire first,
    output logic [P-1:0] y
);
    typedef bit [CLASSES-1:0][31:0] sizes_t;

    function automatic int width_of(longint most);
        int bits = 1;
        while ((most >> bits) != 0) bits++;
        return bits;
    endfunction

    // By how much the planes of so many terms are too large, see bfx_dot.
    function automatic longint offset(int terms);
        longint excess = SIGNED ? longint'(terms) << (W - 1) : 0;
        longint result = 0;
        for (int i = 0; i < PLANES; i++) begin
            if (!NEGATIVE || i != PLANES - 1) result += excess << i;
            else result += ((64'd1 << width_of(longint'(terms) * ((64'd1 << W) - 1))) - 1 - excess) << i;
        end
        return result;
    endfunction

    function automatic longint largest_product();
        if (NEGATIVE && SIGNED) return 64'd1 << (PLANES + W - 2);
        return ((64'd1 << (NEGATIVE ? PLANES - 1 : PLANES)) - 1) * ((64'd1 << (SIGNED ? W - 1 : W)) - 1);
    endfunction

    function automatic sizes_t starts();
        sizes_t result = '0;
        for (int c = 1; c < CLASSES; c++) result[c] = result[c-1] + SIZES[c-1];
        return result;
    endfunction

    function automatic sizes_t widths();
        sizes_t result;
        for (int c = 0; c < CLASSES; c++) begin
            int bits = width_of(longint'(SIZES[c]) * largest_product() + offset(int'(SIZES[c]))) + int'(STEPS[c]);
            int room = P - int'(BASES[c]);
            result[c] = 32'(bits < room ? bits : room);
        end
        return result;
    endfunction

    function automatic sizes_t moved_widths();
        sizes_t result;
        for (int c = 0; c < CLASSES; c++) begin
            int bits = int'(Widths[c] + NEAR[c]);
            int room = P - int'(BASES[c]);
            result[c] = 32'(bits < room ? bits : room);
        end
        return result;
    endfunction

    function automatic logic [63:0] beginning();
        longint result = 0;
        for (int c = 0; c < CLASSES; c++) result -= offset(int'(SIZES[c])) * longint'(WEIGHTS[c]);
        return 64'(result);
    endfunction

    localparam sizes_t At = starts();
    localparam sizes_t Widths = widths();
    localparam sizes_t MovedWidths = moved_widths();
    localparam bit [P-1:0] Start = P'(beginning());

    wire [CLASSES-1:0][P-1:0] operands;
    for (genvar c = 0; c < CLASSES; c++) begin : gen_class
        localparam int Size = int'(SIZES[c]);
        localparam int SW = int'(Widths[c]);
        localparam int MW = int'(MovedWidths[c]);
        wire [SW-1:0] sum;
        bfx_dot #(
            .SIMD(Size), .BEATS(1), .PLANES(PLANES), .NEGATIVE(NEGATIVE), .W(W), .SIGNED(SIGNED),
            .CONSTANT(offset(Size)), .LEVELS(int'(LEVELS[c])), .STEP(int'(STEPS[c])), .P(SW)
        ) i_dot (
            .clk, .en, .select(select[int'(At[c])+:Size]), .value(value[int'(At[c])+:Size]), .shared('0), .add(1'b1),
            .first(1'b1), .far(far[c]), .y(sum)
        );
        logic [MW-1:0] moved;
        if (NEAR[c] == 0) begin : gen_wires
            wire unused = &{1'b0, near[c]};
            assign moved = sum;
        end else begin : gen_shift
            assign moved = MW'(sum) << near[c];
        end
        logic [MW-1:0] operand;
        if (HELD) begin : gen_held
            always_ff @(posedge clk) if (en) operand <= moved;
        end else begin : gen_now
            assign operand = moved;
        end
        assign operands[c] = P'(operand);
    end

    wire [1:0][P-1:0] terms;
    bfx_shift_tree #(.N(CLASSES), .OW(P), .WIDTH(MovedWidths), .SHIFT(BASES)) i_classes (
        .clk, .en, .x(operands), .y(terms)
    );
    wire unused_first = first;
    wire [P-1:0] total = ONCE || first ? Start : y;
    always_ff @(posedge clk) if (en && add) y <= total + terms[0] + terms[1];
endmodule
