// Looks up ELEMENTS elements of a stream, each in a table of its own for each of ROWS rows, which take turns beat by beat.
// TABLE holds entries of OUT_BITS bits by element, row and value, in this order, the first in the lowest bits.
module bfx_element_table #(
    parameter int unsigned ELEMENTS = 1,
    parameter int unsigned ROWS = 1,
    parameter int unsigned IN_BITS = 4,
    parameter int unsigned OUT_BITS = 5,
    parameter logic [ELEMENTS*ROWS*2**IN_BITS*OUT_BITS-1:0] TABLE = '0
) (
    input wire clk,
    input wire rst_n,
    input wire [ELEMENTS*IN_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [ELEMENTS*OUT_BITS-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned RowBits = ROWS > 1 ? $clog2(ROWS) : 1;
    localparam int unsigned Entries = ROWS * 2 ** IN_BITS;
    wire load = !out_valid || out_ready;
    assign in_ready = load;
    wire [RowBits-1:0] row;
    wire unused_last;
    bfx_counter #(.SIZE(ROWS)) rows (.clk, .rst_n, .step(load && in_valid), .count(row), .last(unused_last));

    for (genvar e = 0; e < int'(ELEMENTS); e++) begin : gen_element
        localparam logic [Entries*OUT_BITS-1:0] Table = TABLE[e*Entries*OUT_BITS+:Entries*OUT_BITS];
        wire [RowBits+IN_BITS-1:0] place = {row, in_data[e*IN_BITS+:IN_BITS]};
        always_ff @(posedge clk) if (load) out_data[e*OUT_BITS+:OUT_BITS] <= Table[place*OUT_BITS+:OUT_BITS];
    end
    always_ff @(posedge clk) begin
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= in_valid;
    end
endmodule
