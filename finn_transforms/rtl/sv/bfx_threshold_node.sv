// A comparison of a value, its highest bit flipped with FLIP, with one of DEPTH thresholds.
//
// The thresholds have the lowest DROP bits of the value taken off and BITS bits left. TABLE has them bit by bit, each bit
// for 2 ** ADDRESS_BITS addresses, in the order that the multiplexers of that bit need. With BLOCK it has them word by
// word, ENTRY bits each; they come from block RAM, a cycle after their address: the value has to come as late.
module bfx_threshold_node #(
    parameter int unsigned VALUE_BITS = 8,
    parameter int unsigned DEPTH = 1,
    parameter int unsigned ENTRY = VALUE_BITS + 1,
    parameter int unsigned ADDRESS_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1,
    parameter logic [(DEPTH>1?2**ADDRESS_BITS : 1)*ENTRY-1:0] TABLE = '0,
    parameter int unsigned DROP = 0,
    parameter int unsigned BITS = VALUE_BITS,
    parameter int unsigned GROUP = 2,
    parameter bit STRICT = 1'b0,
    parameter bit FLIP = 1'b0,
    parameter bit BLOCK = 1'b0
) (
    input wire clk,
    input wire enable,
    input wire [ADDRESS_BITS-1:0] address,
    input wire [VALUE_BITS-1:0] value,
    output wire reached
);
    wire [VALUE_BITS:0] extended = {1'b0, value} ^ ((VALUE_BITS + 1)'(FLIP) << (VALUE_BITS - 1));
    logic [BITS-1:0] threshold;
    wire unused = &{1'b0, clk, enable, address, extended};

    if (DEPTH == 1) begin : gen_constant
        assign threshold = TABLE[BITS-1:0];
    end else if (BLOCK) begin : gen_block
        (* ram_style = "block", rom_style = "block" *)
        logic [BITS-1:0] memory[DEPTH];
        // Part by part, since tools limit how far they unroll a loop.
        for (genvar part = 0; part < DEPTH; part += 1024) begin : gen_part
            initial begin
                for (int unsigned i = part; i < (part + 1024 < DEPTH ? part + 1024 : DEPTH); i++)
                    memory[i] = TABLE[i*ENTRY+:BITS];
            end
        end
        always_ff @(posedge clk) if (enable) threshold <= memory[address];
    end else begin : gen_distributed
        // As multiplexers of constants, which synthesis makes one with the LUTs that read them; an index would be taken
        // for a memory, and its address registers doubled. Each bit takes the bits of the address in another order, up
        // or down from its own number: else synthesis shares parts of the tables and misses that each fits its LUTs.
        for (genvar i = 0; i < BITS; i++) begin : gen_bit
            localparam int unsigned Step = (i / ADDRESS_BITS) % 2 == 0 ? 1 : ADDRESS_BITS - 1;
            logic [2**ADDRESS_BITS-1:0] column;
            always_comb begin
                column = TABLE[i*2**ADDRESS_BITS+:2**ADDRESS_BITS];
                for (int unsigned level = 0; level < ADDRESS_BITS; level++)
                    for (int unsigned j = 0; j < 2 ** (ADDRESS_BITS - 1 - level); j++)
                        column[j] = address[(i+level*Step)%ADDRESS_BITS] ? column[2*j+1] : column[2*j];
            end
            assign threshold[i] = column[0];
        end
    end
    bfx_threshold_compare #(.BITS(BITS), .GROUP(GROUP), .STRICT(STRICT)) compare (
        .value(extended[DROP+:BITS]), .threshold(threshold), .reached(reached)
    );
endmodule
