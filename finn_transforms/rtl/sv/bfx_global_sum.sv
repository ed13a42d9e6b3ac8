// Sums PIXELS pixels of FOLDS beats; the sums leave while the last pixel comes.
module bfx_global_sum #(
    parameter int unsigned ELEMENTS = 1,
    parameter int unsigned FOLDS = 1,
    parameter int unsigned PIXELS = 4,
    parameter int unsigned IN_BITS = 4,
    parameter bit SIGNED = 0,
    parameter int unsigned SUM_BITS = 6
) (
    input wire clk,
    input wire rst_n,
    input wire [ELEMENTS*IN_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [ELEMENTS*SUM_BITS-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned FoldBits = FOLDS > 1 ? $clog2(FOLDS) : 1;
    wire [FoldBits-1:0] fold;
    wire [(PIXELS > 1 ? $clog2(PIXELS) : 1)-1:0] unused_pixel;
    wire last_fold, last;
    logic first;
    wire take = in_valid && in_ready;
    assign in_ready = !out_valid || out_ready;

    bfx_counter #(.SIZE(FOLDS)) folds (.clk, .rst_n, .step(take), .count(fold), .last(last_fold));
    bfx_counter #(.SIZE(PIXELS)) pixels (.clk, .rst_n, .step(take && last_fold), .count(unused_pixel), .last);

    wire [ELEMENTS*SUM_BITS-1:0] held, sums;
    for (genvar e = 0; e < int'(ELEMENTS); e++) begin : gen_element
        wire [IN_BITS-1:0] value = in_data[e*IN_BITS+:IN_BITS];
        wire [SUM_BITS-1:0] addend = SIGNED ? SUM_BITS'($signed(value)) : SUM_BITS'(value);
        // Sums may be known to need fewer bits than the type of the inputs has.
        wire unused = &{1'b0, value};
        assign sums[e*SUM_BITS+:SUM_BITS] = (first ? '0 : held[e*SUM_BITS+:SUM_BITS]) + addend;
    end
    if (FOLDS == 1) begin : gen_register
        wire unused_fold = fold[0];
        // The sum is the output: the next frame begins when it leaves.
        assign held = out_data;
        always_ff @(posedge clk) if (take) out_data <= sums;
    end else begin : gen_memory
        (* ram_style = "distributed" *)
        logic [ELEMENTS*SUM_BITS-1:0] memory[FOLDS];
        assign held = memory[fold];
        always_ff @(posedge clk) begin
            if (take) memory[fold] <= sums;
            if (in_ready) out_data <= sums;
        end
    end
    always_ff @(posedge clk) begin
        if (!rst_n) first <= 1'b1;
        else if (take && last_fold) first <= last;
        if (!rst_n) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid && last;
    end
endmodule
