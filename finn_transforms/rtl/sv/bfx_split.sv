// Gives beats to COUNT streams in turn, LENGTHS[16*i+:16] to stream i. They share one register.
module bfx_split #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned COUNT = 2,
    parameter int unsigned LONGEST = 4,
    parameter logic [COUNT*16-1:0] LENGTHS = {16'd4, 16'd4}
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [COUNT*WIDTH-1:0] out_data,
    output logic [COUNT-1:0] out_valid,
    input wire [COUNT-1:0] out_ready
);
    localparam int unsigned Bits = $clog2(COUNT);
    wire [Bits-1:0] turn;
    logic [WIDTH-1:0] data;
    assign in_ready = (out_valid & ~out_ready) == '0;
    assign out_data = {COUNT{data}};
    bfx_turns #(.COUNT(COUNT), .LONGEST(LONGEST), .LENGTHS(LENGTHS)) turns (
        .clk, .rst_n, .step(in_valid && in_ready), .turn
    );
    always_ff @(posedge clk) begin
        if (in_ready) data <= in_data;
        for (int unsigned i = 0; i < COUNT; i++) begin
            if (!rst_n) out_valid[i] <= 1'b0;
            else if (in_ready) out_valid[i] <= in_valid && turn == Bits'(i);
        end
    end
endmodule
