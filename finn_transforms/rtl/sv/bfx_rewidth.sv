// Beats of IN_WIDTH bits become beats of OUT_WIDTH bits through beats of COMMON bits, a multiple of both.
// A register between the two lets one common beat be filled while the other leaves.
module bfx_rewidth #(
    parameter int unsigned IN_WIDTH = 16,
    parameter int unsigned OUT_WIDTH = 24,
    parameter int unsigned COMMON = 48
) (
    input wire clk,
    input wire rst_n,
    input wire [IN_WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [OUT_WIDTH-1:0] out_data,
    output wire out_valid,
    input wire out_ready
);
    wire [COMMON-1:0] wide;
    wire wide_valid, held_ready;
    logic [COMMON-1:0] held;
    logic held_valid;
    wire move = !held_valid || held_ready;

    bfx_widen #(.WIDTH(IN_WIDTH), .RATIO(COMMON / IN_WIDTH)) widen (
        .clk, .rst_n, .in_data, .in_valid, .in_ready, .out_data(wide), .out_valid(wide_valid), .out_ready(move)
    );
    always_ff @(posedge clk) begin
        if (move) held <= wide;
        if (!rst_n) held_valid <= 1'b0;
        else if (move) held_valid <= wide_valid;
    end
    bfx_narrow #(.WIDTH(OUT_WIDTH), .RATIO(COMMON / OUT_WIDTH)) narrow (
        .clk, .rst_n, .in_data(held), .in_valid(held_valid), .in_ready(held_ready), .out_data, .out_valid, .out_ready
    );
endmodule
