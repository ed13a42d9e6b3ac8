// A stream of constants, ROWS of them, over and over; row 0 is in the lowest bits of TABLE.
module bfx_constants #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned ROWS = 2,
    parameter logic [ROWS*WIDTH-1:0] TABLE = '0
) (
    input wire clk,
    input wire rst_n,
    output wire [WIDTH-1:0] out_data,
    output wire out_valid,
    input wire out_ready
);
    wire [(ROWS > 1 ? $clog2(ROWS) : 1)-1:0] row;
    wire unused_last;
    bfx_counter #(.SIZE(ROWS)) rows (.clk, .rst_n, .step(out_ready), .count(row), .last(unused_last));
    assign out_data = TABLE[row*WIDTH+:WIDTH];
    assign out_valid = 1'b1;
endmodule
