// RATIO beats of WIDTH bits become one beat, the first in the lowest bits.
// The beats move down a shift register that is also the output; a beat is taken while the output leaves.
module bfx_widen #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned RATIO = 4
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [RATIO*WIDTH-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    wire last;
    wire [(RATIO > 1 ? $clog2(RATIO) : 1)-1:0] unused_count;
    wire take = in_valid && in_ready;
    assign in_ready = !out_valid || out_ready;

    bfx_counter #(.SIZE(RATIO)) beats (.clk, .rst_n, .step(take), .count(unused_count), .last);

    always_ff @(posedge clk) begin
        if (take) out_data <= {in_data, out_data[RATIO*WIDTH-1:WIDTH]};
        if (!rst_n) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid && last;
    end
endmodule
