// Marks that travel beside sums for DEPTH enabled cycles. All have a reset: without one they would become shift registers,
// which are LUTs.
module bfx_marks #(
    parameter int DEPTH = 2
) (
    input wire clk,
    input wire rst_n,
    input wire en,
    input wire valid,
    input wire first,
    input wire last,
    output wire late_valid,
    output wire late_first,
    output wire late_last
);
    logic [DEPTH:0][2:0] marks;
    assign marks[0] = {valid, first, last};
    assign {late_valid, late_first, late_last} = marks[DEPTH];
    always_ff @(posedge clk) begin
        if (!rst_n) marks[DEPTH:1] <= '0;
        else if (en) marks[DEPTH:1] <= marks[DEPTH-1:0];
    end
endmodule
