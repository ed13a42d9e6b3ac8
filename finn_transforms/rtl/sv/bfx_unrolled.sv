// Handshake of a pipeline that takes a word and gives a result in every cycle, DEPTH cycles later.
// `out_ready` makes `en` and `in_ready` within the cycle, where a result waits.
module bfx_unrolled #(
    parameter int DEPTH = 3
) (
    input wire clk,
    input wire rst_n,
    output wire en,
    input wire in_valid,
    output wire in_ready,
    output wire out_valid,
    input wire out_ready
);
    logic [DEPTH-1:0] valid;
    assign out_valid = valid[DEPTH-1];
    assign en = !out_valid || out_ready;
    assign in_ready = en;
    always_ff @(posedge clk) begin
        if (!rst_n) valid <= '0;
        else if (en) valid <= DEPTH'({valid, in_valid});
    end
endmodule
