// Binary search: one stage per bit of the code, the threshold of each from a table of its own; a beat per cycle.
//
// TABLE has the tables stage by stage (see bfx_thresholding_stage), DROPS, WIDTHS, GROUPS and STRICTS have LANES
// entries per stage, BLOCKS a bit per stage.
module bfx_thresholding_binary #(
    parameter int unsigned LANES = 1,
    parameter int unsigned VALUE_BITS = 8,
    parameter int unsigned STAGES = 4,
    parameter int unsigned SETS = 1,
    parameter bit FLIP = 1'b0,
    parameter int unsigned ENTRY = VALUE_BITS + 1,
    parameter logic [LANES*2**$clog2(SETS)*(2**STAGES-1)*ENTRY-1:0] TABLE = '0,
    parameter logic [STAGES*LANES*8-1:0] DROPS = '0,
    parameter logic [STAGES*LANES*8-1:0] WIDTHS = '0,
    parameter logic [STAGES*LANES*8-1:0] GROUPS = '0,
    parameter logic [STAGES*LANES-1:0] STRICTS = '0,
    parameter logic [STAGES-1:0] BLOCKS = '0,
    parameter int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1
) (
    input wire clk,
    input wire enable,
    input wire [SET_BITS-1:0] set,
    input wire [LANES*VALUE_BITS-1:0] values,
    output wire [LANES*STAGES-1:0] codes
);
    for (genvar i = 0; i < STAGES; i++) begin : gen_stage
        localparam int unsigned Places = 2 ** $clog2(SETS) << i;
        localparam int unsigned Base = LANES * 2 ** $clog2(SETS) * ((1 << i) - 1) * ENTRY;
        localparam int unsigned InBits = i > 0 ? i : 1;
        wire [SET_BITS-1:0] old_set, new_set;
        wire [LANES*VALUE_BITS-1:0] old_values, new_values;
        wire [LANES*InBits-1:0] old_codes;
        wire [LANES*(i+1)-1:0] new_codes;
        if (i == 0) begin : gen_first
            assign {old_set, old_values, old_codes} = {set, values, LANES'(0)};
        end else begin : gen_next
            assign old_set = gen_stage[i-1].new_set;
            assign old_values = gen_stage[i-1].new_values;
            assign old_codes = gen_stage[i-1].new_codes;
        end
        bfx_thresholding_stage #(
            .LANES(LANES),
            .VALUE_BITS(VALUE_BITS),
            .PREFIX(i),
            .SETS(SETS),
            .ENTRY(ENTRY),
            .BLOCK(BLOCKS[i]),
            .FLIP(FLIP),
            .TABLE(TABLE[Base+:LANES*Places*ENTRY]),
            .DROPS(DROPS[i*LANES*8+:LANES*8]),
            .WIDTHS(WIDTHS[i*LANES*8+:LANES*8]),
            .GROUPS(GROUPS[i*LANES*8+:LANES*8]),
            .STRICTS(STRICTS[i*LANES+:LANES])
        ) stage (
            .clk,
            .enable,
            .set(old_set),
            .values(old_values),
            .codes(old_codes),
            .next_set(new_set),
            .next_values(new_values),
            .next_codes(new_codes)
        );
    end
    assign codes = gen_stage[STAGES-1].new_codes;
    wire unused = &{1'b0, gen_stage[STAGES-1].new_set, gen_stage[STAGES-1].new_values};
endmodule
