// Takes beats from COUNT streams in turn, LENGTHS[16*i+:16] from stream i. One register, behind the choice.
module bfx_concat #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned COUNT = 2,
    parameter int unsigned LONGEST = 4,
    parameter logic [COUNT*16-1:0] LENGTHS = {16'd4, 16'd4}
) (
    input wire clk,
    input wire rst_n,
    input wire [COUNT*WIDTH-1:0] in_data,
    input wire [COUNT-1:0] in_valid,
    output wire [COUNT-1:0] in_ready,
    output logic [WIDTH-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned Bits = $clog2(COUNT);
    wire [Bits-1:0] turn;
    wire load = !out_valid || out_ready;
    wire [COUNT-1:0] chosen;
    wire valid = |(in_valid & chosen);
    for (genvar i = 0; i < int'(COUNT); i++) begin : gen_ready
        assign chosen[i] = turn == Bits'(i);
    end
    assign in_ready = load ? chosen : '0;
    bfx_turns #(.COUNT(COUNT), .LONGEST(LONGEST), .LENGTHS(LENGTHS)) turns (.clk, .rst_n, .step(load && valid), .turn);
    always_ff @(posedge clk) begin
        if (load) out_data <= in_data[turn*WIDTH+:WIDTH];
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= valid;
    end
endmodule
