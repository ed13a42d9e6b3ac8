// One step of a binary search: each lane compares its value with the threshold of its channel set and of the PREFIX
// bits of the code found so far, and appends the outcome as the next bit. One cycle, two with BLOCK.
//
// TABLE has a table of bfx_threshold_node per lane, the prefix in the low bits of the address; DROPS, WIDTHS and GROUPS have a byte
// per lane, STRICTS a bit (see bfx_threshold_node).
module bfx_thresholding_stage #(
    parameter int unsigned LANES = 1,
    parameter int unsigned VALUE_BITS = 8,
    parameter int unsigned PREFIX = 0,
    parameter int unsigned SETS = 1,
    parameter int unsigned ENTRY = VALUE_BITS + 1,
    parameter bit BLOCK = 1'b0,
    parameter bit FLIP = 1'b0,
    parameter logic [LANES*(2**$clog2(SETS)<<PREFIX)*ENTRY-1:0] TABLE = '0,
    parameter logic [LANES*8-1:0] DROPS = '0,
    parameter logic [LANES*8-1:0] WIDTHS = '0,
    parameter logic [LANES*8-1:0] GROUPS = '0,
    parameter logic [LANES-1:0] STRICTS = '0,
    parameter int unsigned SET_BITS = SETS > 1 ? $clog2(SETS) : 1,
    parameter int unsigned IN_BITS = PREFIX > 0 ? PREFIX : 1
) (
    input wire clk,
    input wire enable,
    input wire [SET_BITS-1:0] set,
    input wire [LANES*VALUE_BITS-1:0] values,
    input wire [LANES*IN_BITS-1:0] codes,
    output logic [SET_BITS-1:0] next_set,
    output logic [LANES*VALUE_BITS-1:0] next_values,
    output logic [LANES*(PREFIX+1)-1:0] next_codes
);
    localparam int unsigned Depth = SETS << PREFIX;
    localparam int unsigned Places = 2 ** $clog2(Depth);
    localparam int unsigned AddressBits = Depth > 1 ? $clog2(Depth) : 1;

    wire [SET_BITS-1:0] held_set;
    wire [LANES*VALUE_BITS-1:0] held_values;
    wire [LANES*IN_BITS-1:0] held_codes;
    if (BLOCK) begin : gen_block
        logic [SET_BITS-1:0] read_set;
        logic [LANES*VALUE_BITS-1:0] read_values;
        logic [LANES*IN_BITS-1:0] read_codes;
        always_ff @(posedge clk) if (enable) {read_set, read_values, read_codes} <= {set, values, codes};
        assign {held_set, held_values, held_codes} = {read_set, read_values, read_codes};
    end else begin : gen_direct
        assign {held_set, held_values, held_codes} = {set, values, codes};
    end

    for (genvar lane = 0; lane < LANES; lane++) begin : gen_lane
        wire [AddressBits-1:0] address;
        if (PREFIX == 0) begin : gen_first
            assign address = AddressBits'(set);
            wire unused = &{1'b0, codes, held_codes};
        end else if (SETS == 1) begin : gen_shared
            assign address = codes[lane*IN_BITS+:IN_BITS];
        end else begin : gen_own
            assign address = {set, codes[lane*IN_BITS+:IN_BITS]};
        end
        wire reached;
        bfx_threshold_node #(
            .VALUE_BITS(VALUE_BITS),
            .DEPTH(Depth),
            .ENTRY(ENTRY),
            .TABLE(TABLE[lane*Places*ENTRY+:Places*ENTRY]),
            .DROP(32'(DROPS[lane*8+:8])),
            .BITS(32'(WIDTHS[lane*8+:8])),
            .GROUP(32'(GROUPS[lane*8+:8])),
            .STRICT(STRICTS[lane]),
            .FLIP(FLIP),
            .BLOCK(BLOCK)
        ) node (
            .clk, .enable, .address, .value(held_values[lane*VALUE_BITS+:VALUE_BITS]), .reached
        );
        wire [PREFIX:0] code;
        if (PREFIX == 0) begin : gen_begin
            assign code = reached;
        end else begin : gen_append
            assign code = {held_codes[lane*IN_BITS+:IN_BITS], reached};
        end
        always_ff @(posedge clk) if (enable) next_codes[lane*(PREFIX+1)+:PREFIX+1] <= code;
    end
    always_ff @(posedge clk) if (enable) {next_set, next_values} <= {held_set, held_values};
endmodule
