// A stream buffer: WORDS in shift registers with a moving tap, one more in the register behind them.
// Neither valid nor ready passes through it combinationally; a word leaves two cycles after it came at the earliest.
module bfx_shift_fifo #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned WORDS = 16
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
    // Place of the oldest word, -1 where there is none.
    logic [Bits:0] oldest;
    wire empty = oldest[Bits];
    wire write = in_valid && in_ready;
    wire read = !empty && (!out_valid || out_ready);
    assign in_ready = oldest != (Bits + 1)'(WORDS - 1);

    wire [WIDTH-1:0] tapped;
    for (genvar b = 0; b < int'(WIDTH); b++) begin : gen_bit
        logic [WORDS-1:0] shifted;
        always_ff @(posedge clk) if (write) shifted <= {shifted[WORDS-2:0], in_data[b]};
        assign tapped[b] = shifted[oldest[Bits-1:0]];
    end
    always_ff @(posedge clk) begin
        if (read) out_data <= tapped;
        if (!rst_n) oldest <= '1;
        else if (write != read) oldest <= oldest + (read ? '1 : (Bits + 1)'(1));
        if (!rst_n) out_valid <= 1'b0;
        else if (!out_valid || out_ready) out_valid <= read;
    end
endmodule
