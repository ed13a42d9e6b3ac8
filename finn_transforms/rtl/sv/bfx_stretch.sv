// Walks over SIZE places with STRIDE - 1 fillings between neighbours; `last` tells the last place.
module bfx_stretch #(
    parameter int unsigned SIZE = 4,
    parameter int unsigned STRIDE = 2
) (
    input wire clk,
    input wire rst_n,
    input wire step,
    output wire is_real,
    output wire last
);
    localparam int unsigned PhaseBits = STRIDE > 1 ? $clog2(STRIDE) : 1;
    wire [(SIZE > 1 ? $clog2(SIZE) : 1)-1:0] unused_count;
    logic [PhaseBits-1:0] phase;
    wire end_phase = phase == PhaseBits'(STRIDE - 1);
    assign is_real = phase == '0;
    bfx_counter #(.SIZE(SIZE)) places (.clk, .rst_n, .step(step && (end_phase || last)), .count(unused_count), .last);
    always_ff @(posedge clk) begin
        if (!rst_n) phase <= '0;
        else if (step) phase <= end_phase || last ? '0 : phase + 1'b1;
    end
endmodule
