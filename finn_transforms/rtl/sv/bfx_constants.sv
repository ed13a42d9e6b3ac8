// A stream of constants, ROWS of them, over and over; row 0 is in the lowest bits of TABLE.
// Without a register they are part of the logic that takes them; with one, this is a memory.
module bfx_constants #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned ROWS = 2,
    parameter logic [ROWS*WIDTH-1:0] TABLE = '0,
    parameter bit REGISTERED = 0
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
    assign out_valid = 1'b1;
    if (REGISTERED && ROWS > 1) begin : gen_memory
        // The register is a row ahead of the counter.
        localparam logic [ROWS*WIDTH-1:0] Following = {TABLE[WIDTH-1:0], TABLE[ROWS*WIDTH-1:WIDTH]};
        logic [WIDTH-1:0] data;
        assign out_data = data;
        always_ff @(posedge clk) begin
            if (!rst_n) data <= TABLE[WIDTH-1:0];
            else if (out_ready) data <= Following[row*WIDTH+:WIDTH];
        end
    end else begin : gen_logic
        assign out_data = TABLE[row*WIDTH+:WIDTH];
    end
endmodule
