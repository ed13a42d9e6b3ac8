// LEFT times RIGHT, without registers: two bits of RIGHT at a time, a LUT per bit of each pair's sum, and a tree of them.
// Operands are signed where their parameter says so; the product is as wide as both together.
module bfx_product #(
    parameter int unsigned LEFT_BITS = 8,
    parameter bit LEFT_SIGNED = 1,
    parameter int unsigned RIGHT_BITS = 8,
    parameter bit RIGHT_SIGNED = 1
) (
    input wire [LEFT_BITS-1:0] left,
    input wire [RIGHT_BITS-1:0] right,
    output wire [LEFT_BITS+RIGHT_BITS-1:0] product
);
    if (RIGHT_BITS == 1) begin : gen_bit
        wire [LEFT_BITS-1:0] chosen = right[0] ? left : '0;
        // A signed bit is 0 or -1.
        assign product = RIGHT_SIGNED
            ? -{LEFT_SIGNED && chosen[LEFT_BITS-1], chosen}
            : {LEFT_SIGNED && chosen[LEFT_BITS-1], chosen};
    end else if (RIGHT_BITS == 2) begin : gen_pair
        wire signed [LEFT_BITS+1:0] extended = {{2{LEFT_SIGNED && left[LEFT_BITS-1]}}, left};
        wire signed [LEFT_BITS+1:0] low = right[0] ? extended : '0;
        wire signed [LEFT_BITS+1:0] high = right[1] ? {extended[LEFT_BITS:0], 1'b0} : '0;
        assign product = RIGHT_SIGNED ? low - high : low + high;
    end else begin : gen_halves
        // The lower part takes a power of two of the pairs.
        localparam int unsigned Low = 1 << ($clog2(RIGHT_BITS) - 1);
        localparam int unsigned High = RIGHT_BITS - Low;
        wire [LEFT_BITS+Low-1:0] lower;
        wire [LEFT_BITS+High-1:0] upper;
        bfx_product #(.LEFT_BITS(LEFT_BITS), .LEFT_SIGNED(LEFT_SIGNED), .RIGHT_BITS(Low), .RIGHT_SIGNED(0)) i_lower (
            .left, .right(right[Low-1:0]), .product(lower)
        );
        bfx_product #(
            .LEFT_BITS(LEFT_BITS), .LEFT_SIGNED(LEFT_SIGNED), .RIGHT_BITS(High), .RIGHT_SIGNED(RIGHT_SIGNED)
        ) i_upper (.left, .right(right[RIGHT_BITS-1:Low]), .product(upper));
        wire [LEFT_BITS+High-1:0] carried = {{High{LEFT_SIGNED && lower[LEFT_BITS+Low-1]}}, lower[LEFT_BITS+Low-1:Low]};
        assign product = {upper + carried, lower[Low-1:0]};
    end
endmodule
