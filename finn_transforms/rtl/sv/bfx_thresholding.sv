// Thresholding: how many thresholds of its channel each value reaches, as a code of CODE_BITS bits per lane.
//
// Values are unsigned, or signed with FLIP_IN, which are compared as unsigned ones with the highest bit flipped;
// FLIP_OUT does the same to the codes. SETS beats go through the channels. The pipeline moves unless the word in
// `held` waits: ready and the clock enable are registers, and out_data is one multiplexer behind registers.
module bfx_thresholding #(
    parameter int unsigned LANES = 1,
    parameter int unsigned VALUE_BITS = 8,
    parameter int unsigned CODE_BITS = 4,
    parameter int unsigned OUT_BITS = CODE_BITS,
    parameter int unsigned SETS = 1,
    parameter bit FLIP_IN = 1'b0,
    parameter bit FLIP_OUT = 1'b0,
    parameter bit PARALLEL = 1'b0,
    parameter int unsigned ENTRY = VALUE_BITS + 1,
    parameter logic [LANES*2**$clog2(SETS)*(2**CODE_BITS-1)*ENTRY-1:0] TABLE = '0,
    parameter int unsigned NODES = LANES * (PARALLEL ? 2 ** CODE_BITS - 1 : CODE_BITS),
    parameter logic [NODES*8-1:0] DROPS = '0,
    parameter logic [NODES*8-1:0] WIDTHS = '0,
    parameter logic [NODES*8-1:0] GROUPS = '0,
    parameter logic [NODES-1:0] STRICTS = '0,
    parameter logic [CODE_BITS-1:0] BLOCKS = '0
) (
    input wire clk,
    input wire rst_n,
    input wire [LANES*VALUE_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [LANES*OUT_BITS-1:0] out_data,
    output wire out_valid,
    input wire out_ready
);
    // Not $countones, which not every synthesis tool knows.
    function automatic int unsigned stages();
        int unsigned sum = CODE_BITS;
        for (int i = 0; i < CODE_BITS; i++) if (BLOCKS[i]) sum++;
        return sum;
    endfunction

    localparam int unsigned Latency = PARALLEL ? 2 : stages();
    localparam int unsigned SetBits = SETS > 1 ? $clog2(SETS) : 1;

    logic ready;
    wire [SetBits-1:0] set;
    wire last;
    wire unused = &{1'b0, last};
    bfx_counter #(.SIZE(SETS)) channels (.clk, .rst_n, .step(in_valid && ready), .count(set), .last);

    wire [LANES*CODE_BITS-1:0] codes;
    if (PARALLEL) begin : gen_parallel
        bfx_thresholding_parallel #(
            .LANES(LANES), .VALUE_BITS(VALUE_BITS), .CODE_BITS(CODE_BITS), .SETS(SETS), .FLIP(FLIP_IN), .ENTRY(ENTRY), .TABLE(TABLE),
            .DROPS(DROPS), .WIDTHS(WIDTHS), .GROUPS(GROUPS), .STRICTS(STRICTS)
        ) search (.clk, .enable(ready), .set, .values(in_data), .codes);
    end else begin : gen_binary
        bfx_thresholding_binary #(
            .LANES(LANES), .VALUE_BITS(VALUE_BITS), .STAGES(CODE_BITS), .SETS(SETS), .FLIP(FLIP_IN), .ENTRY(ENTRY), .TABLE(TABLE),
            .DROPS(DROPS), .WIDTHS(WIDTHS), .GROUPS(GROUPS), .STRICTS(STRICTS), .BLOCKS(BLOCKS)
        ) search (.clk, .enable(ready), .set, .values(in_data), .codes);
    end

    logic [Latency-1:0] valid;
    logic [LANES*CODE_BITS-1:0] held;
    wire [LANES*CODE_BITS-1:0] chosen = ready ? codes : held;
    assign in_ready = ready;
    assign out_valid = !ready || valid[Latency-1];
    for (genvar lane = 0; lane < LANES; lane++) begin : gen_out
        wire [CODE_BITS-1:0] code = chosen[lane*CODE_BITS+:CODE_BITS] ^ (CODE_BITS'(FLIP_OUT) << (CODE_BITS - 1));
        wire [OUT_BITS-1:0] out;
        if (OUT_BITS > CODE_BITS) begin : gen_extend
            assign out = {{(OUT_BITS - CODE_BITS) {FLIP_OUT && code[CODE_BITS-1]}}, code};
        end else begin : gen_same
            assign out = code;
        end
        assign out_data[lane*OUT_BITS+:OUT_BITS] = out;
    end
    always_ff @(posedge clk) begin
        if (ready) held <= codes;
        if (!rst_n) begin
            ready <= 1'b1;
            valid <= '0;
        end else begin
            ready <= out_ready || !out_valid;
            if (ready) valid <= Latency'({valid, in_valid});
        end
    end
endmodule
