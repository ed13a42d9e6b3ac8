// Counts steps from 0 to SIZE - 1 and begins again; `last` tells that it stands at SIZE - 1.
module bfx_counter #(
    parameter int unsigned SIZE = 4,
    parameter int unsigned BITS = SIZE > 1 ? $clog2(SIZE) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire step,
    output logic [BITS-1:0] count,
    output logic last
);
    if (SIZE == 1) begin : gen_still
        wire unused = &{1'b0, clk, rst_n, step};
        assign count = '0;
        assign last = 1'b1;
    end else begin : gen_counting
        assign last = count == BITS'(SIZE - 1);
        // A bit turns where all lower ones are set. With an adder, whose carries synthesis keeps, Yosys spends two to
        // four times the LUTs on memories that are read at `count`.
        wire [BITS-1:0] turns;
        assign turns[0] = 1'b1;
        for (genvar i = 1; i < int'(BITS); i++) begin : gen_bit
            assign turns[i] = &count[i-1:0];
        end
        always_ff @(posedge clk) begin
            if (!rst_n) count <= '0;
            // Of 2 ** BITS steps, the overflow is the return.
            else if (step) count <= last && SIZE != 2 ** BITS ? '0 : count ^ turns;
        end
    end
endmodule
