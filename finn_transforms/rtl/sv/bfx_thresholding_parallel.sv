// All comparisons at once, then the thermometer they make is read as a number: two cycles.
//
// TABLE has a table of bfx_threshold_node, DROPS, WIDTHS and GROUPS have a byte and STRICTS has a bit for each code of
// each lane, 2 ** CODE_BITS - 1 codes per lane.
module bfx_thresholding_parallel #(
    parameter int unsigned LANES = 1,
    parameter int unsigned VALUE_BITS = 8,
    parameter int unsigned CODE_BITS = 4,
    parameter int unsigned SETS = 1,
    parameter bit FLIP = 1'b0,
    parameter int unsigned ENTRY = VALUE_BITS + 1,
    parameter int unsigned STEPS = 2 ** CODE_BITS - 1,
    parameter logic [LANES*STEPS*2**$clog2(SETS)*ENTRY-1:0] TABLE = '0,
    parameter logic [LANES*STEPS*8-1:0] DROPS = '0,
    parameter logic [LANES*STEPS*8-1:0] WIDTHS = '0,
    parameter logic [LANES*STEPS*8-1:0] GROUPS = '0,
    parameter logic [LANES*STEPS-1:0] STRICTS = '0,
    parameter int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1
) (
    input wire clk,
    input wire enable,
    input wire [SET_BITS-1:0] set,
    input wire [LANES*VALUE_BITS-1:0] values,
    output logic [LANES*CODE_BITS-1:0] codes
);
    localparam int unsigned Places = 2 ** $clog2(SETS);
    for (genvar lane = 0; lane < LANES; lane++) begin : gen_lane
        wire [STEPS-1:0] reached;
        logic [STEPS-1:0] thermometer;
        for (genvar i = 0; i < STEPS; i++) begin : gen_step
            localparam int unsigned Index = lane * STEPS + i;
            bfx_threshold_node #(
                .VALUE_BITS(VALUE_BITS),
                .DEPTH(SETS),
                .ENTRY(ENTRY),
                .TABLE(TABLE[Index*Places*ENTRY+:Places*ENTRY]),
                .DROP(32'(DROPS[Index*8+:8])),
                .BITS(32'(WIDTHS[Index*8+:8])),
                .GROUP(32'(GROUPS[Index*8+:8])),
                .FLIP(FLIP),
                .STRICT(STRICTS[Index])
            ) node (
                .clk,
                .enable,
                .address(set),
                .value(values[lane*VALUE_BITS+:VALUE_BITS]),
                .reached(reached[i])
            );
        end
        // Bit by bit from the top: the step in the middle of what is left, which half of it remains.
        logic [CODE_BITS-1:0] code;
        logic [STEPS-1:0] left;
        always_comb begin
            left = thermometer;
            for (int i = CODE_BITS - 1; i >= 0; i--) begin
                code[i] = left[2**i-1];
                for (int j = 0; j < 2 ** i - 1; j++) left[j] = code[i] ? left[j+2**i] : left[j];
            end
        end
        always_ff @(posedge clk) begin
            if (enable) begin
                thermometer <= reached;
                codes[lane*CODE_BITS+:CODE_BITS] <= code;
            end
        end
    end
endmodule
