// Adds, subtracts or multiplies the elements of two streams, beat by beat, modulo 2 ** OUT_BITS.
// OPERATION is "add", "sub" or "mul". One register, behind the operators.
module bfx_elementwise #(
    parameter OPERATION = "add",
    parameter int unsigned ELEMENTS = 1,
    parameter int unsigned LEFT_BITS = 4,
    parameter bit LEFT_SIGNED = 0,
    parameter int unsigned RIGHT_BITS = 4,
    parameter bit RIGHT_SIGNED = 0,
    parameter int unsigned OUT_BITS = 5
) (
    input wire clk,
    input wire rst_n,
    input wire [ELEMENTS*LEFT_BITS-1:0] left_data,
    input wire left_valid,
    output wire left_ready,
    input wire [ELEMENTS*RIGHT_BITS-1:0] right_data,
    input wire right_valid,
    output wire right_ready,
    output logic [ELEMENTS*OUT_BITS-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    // What a sum or product takes, so that no operator is cut or extended before it is complete.
    localparam int unsigned Widest = LEFT_BITS > RIGHT_BITS ? LEFT_BITS : RIGHT_BITS;
    localparam int unsigned Exact = OPERATION == "mul" ? LEFT_BITS + RIGHT_BITS + 2 : Widest + 2;
    wire load = !out_valid || out_ready;
    assign left_ready = load && right_valid;
    assign right_ready = load && left_valid;

    for (genvar e = 0; e < int'(ELEMENTS); e++) begin : gen_element
        wire [LEFT_BITS-1:0] left_bits = left_data[e*LEFT_BITS+:LEFT_BITS];
        wire [RIGHT_BITS-1:0] right_bits = right_data[e*RIGHT_BITS+:RIGHT_BITS];
        wire signed [LEFT_BITS:0] left = {LEFT_SIGNED && left_bits[LEFT_BITS-1], left_bits};
        wire signed [RIGHT_BITS:0] right = {RIGHT_SIGNED && right_bits[RIGHT_BITS-1], right_bits};
        wire signed [Exact-1:0] result;
        if (OPERATION == "add") begin : gen_add
            assign result = Exact'(left) + Exact'(right);
        end else if (OPERATION == "sub") begin : gen_sub
            assign result = Exact'(left) - Exact'(right);
        end else begin : gen_mul
            // The narrower operand is cut into pairs of bits.
            wire [LEFT_BITS+RIGHT_BITS-1:0] product;
            if (LEFT_BITS < RIGHT_BITS) begin : gen_left
                bfx_product #(
                    .LEFT_BITS(RIGHT_BITS), .LEFT_SIGNED(RIGHT_SIGNED), .RIGHT_BITS(LEFT_BITS), .RIGHT_SIGNED(LEFT_SIGNED)
                ) i_product (.left(right_bits), .right(left_bits), .product);
            end else begin : gen_right
                bfx_product #(
                    .LEFT_BITS(LEFT_BITS), .LEFT_SIGNED(LEFT_SIGNED), .RIGHT_BITS(RIGHT_BITS), .RIGHT_SIGNED(RIGHT_SIGNED)
                ) i_product (.left(left_bits), .right(right_bits), .product);
            end
            localparam bit Signed = LEFT_SIGNED || RIGHT_SIGNED;
            assign result = {{2{Signed && product[LEFT_BITS+RIGHT_BITS-1]}}, product};
            wire unused = &{1'b0, left, right};
        end
        if (OUT_BITS < Exact) begin : gen_cut
            wire [Exact-OUT_BITS-1:0] unused_result = result[Exact-1:OUT_BITS];
            always_ff @(posedge clk) if (load) out_data[e*OUT_BITS+:OUT_BITS] <= result[OUT_BITS-1:0];
        end else begin : gen_extend
            always_ff @(posedge clk) if (load) out_data[e*OUT_BITS+:OUT_BITS] <= OUT_BITS'(result);
        end
    end
    always_ff @(posedge clk) begin
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= left_valid && right_valid;
    end
endmodule
