// A stream buffer: WORDS (at least 2) in a memory, one more in the register behind it.
// Neither valid nor ready passes through it combinationally; a word leaves two cycles after it came at the earliest.
module bfx_fifo #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned WORDS = 16,
    // Attributes mean nothing to a simulator.
    // verilator lint_off UNUSEDPARAM
    parameter RAM_STYLE = "distributed"
    // verilator lint_on UNUSEDPARAM
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [WIDTH-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned Bits = $clog2(WORDS);
    (* ram_style = RAM_STYLE *)
    logic [WIDTH-1:0] memory[WORDS];
    wire [Bits-1:0] write_place, read_place;
    wire write_lap, read_lap;

    wire same_place = write_place == read_place;
    wire write = in_valid && in_ready;
    wire read = !(same_place && write_lap == read_lap) && (!out_valid || out_ready);
    assign in_ready = !(same_place && write_lap != read_lap);

    bfx_ring #(.SIZE(WORDS)) writing (.clk, .rst_n, .step(write), .place(write_place), .lap(write_lap));
    bfx_ring #(.SIZE(WORDS)) reading (.clk, .rst_n, .step(read), .place(read_place), .lap(read_lap));

    always_ff @(posedge clk) begin
        if (write) memory[write_place] <= in_data;
        if (read) out_data <= memory[read_place];
        if (!rst_n) out_valid <= 1'b0;
        else if (!out_valid || out_ready) out_valid <= read;
    end
endmodule
