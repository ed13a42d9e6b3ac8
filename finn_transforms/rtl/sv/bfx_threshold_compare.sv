// Tells whether a value reaches a threshold, or, where STRICT, is greater than it; both unsigned.
//
// A carry chain of GROUP bits per step: each step passes the carry on where its bits are equal, and else starts it
// where the value's are greater. With one bit per step that is the ordinary subtraction; two bits of each side, or more
// of the value where the threshold's are a table of few address bits, still fit into the two outputs of one LUT.
// GROUP 0 compares without a chain, for what fits into one LUT anyway.
module bfx_threshold_compare #(
    parameter int unsigned BITS = 8,
    parameter int unsigned GROUP = 2,
    parameter bit STRICT = 1'b0
) (
    input wire [BITS-1:0] value,
    input wire [BITS-1:0] threshold,
    output logic reached
);
    if (GROUP == 0) begin : gen_logic
        always_comb begin
            reached = !STRICT;
            for (int unsigned i = 0; i < BITS; i++) if (value[i] != threshold[i]) reached = value[i];
        end
    end else begin : gen_chain
        localparam int unsigned Steps = (BITS + GROUP - 1) / GROUP;
        // Where `start` and not `pass` are 1 a carry starts, where they differ the one from below passes.
        logic [Steps-1:0] start, pass;
        if (GROUP == 1) begin : gen_subtract
            assign start = value;
            assign pass = ~threshold;
        end else begin : gen_groups
            for (genvar i = 0; i < Steps; i++) begin : gen_step
                localparam int unsigned Low = i * GROUP;
                localparam int unsigned Size = Low + GROUP > BITS ? BITS - Low : GROUP;
                wire [Size-1:0] own = value[Low+:Size];
                wire [Size-1:0] other = threshold[Low+:Size];
                always_comb begin
                    start[i] = 1'b0;
                    pass[i] = 1'b1;
                    for (int unsigned bit_ = 0; bit_ < Size; bit_++) begin
                        if (own[bit_] != other[bit_]) {start[i], pass[i]} = {2{own[bit_]}};
                    end
                end
            end
        end
        // The lowest bits make the carry that comes in.
        wire [Steps+1:0] total = {1'b0, start, !STRICT} + {1'b0, pass, !STRICT};
        assign reached = total[Steps+1];
        wire unused = &{1'b0, total[Steps:0]};
    end
endmodule
