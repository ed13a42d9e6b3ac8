// Words of LANES inputs, each shifted left by what TABLE says for its lane and word, whose ROWS repeat; `step` takes a word.
module bfx_shift_inputs #(
    parameter int LANES = 2,
    parameter int WIDTH = 4,
    parameter bit SIGNED = 0,
    parameter int SPAN = 1,
    parameter int ROWS = 2,
    parameter int BITS = 1,
    parameter logic [ROWS*LANES*BITS-1:0] TABLE = 4'd6
) (
    input wire clk,
    input wire rst_n,
    input wire step,
    input wire [LANES-1:0][WIDTH-1:0] word,
    output wire [LANES-1:0][WIDTH+SPAN-1:0] shifted
);
    wire [LANES-1:0][BITS-1:0] amounts;
    wire unused_always;
    bfx_constants #(
        .WIDTH(LANES * BITS), .ROWS(ROWS), .TABLE(TABLE), .REGISTERED(1)
    ) i_amounts (.clk, .rst_n, .out_data(amounts), .out_valid(unused_always), .out_ready(step));
    for (genvar i = 0; i < LANES; i++) begin : gen_lane
        wire [WIDTH+SPAN-1:0] extended = {{SPAN{SIGNED && word[i][WIDTH-1]}}, word[i]};
        assign shifted[i] = extended << amounts[i];
    end
endmodule
