// The largest ("max") or the sum ("sum") of KERNEL beats, element by element; of a sum, the bits from SHIFT on.
// The running result is the output register: a window begins in the cycle in which the one before it leaves.
module bfx_pool #(
    parameter FUNCTION = "max",
    parameter int unsigned ELEMENTS = 1,
    parameter int unsigned KERNEL = 4,
    parameter int unsigned IN_BITS = 4,
    parameter bit SIGNED = 0,
    parameter int unsigned SUM_BITS = 6,
    parameter int unsigned SHIFT = 0,
    parameter int unsigned OUT_BITS = 6
) (
    input wire clk,
    input wire rst_n,
    input wire [ELEMENTS*IN_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [ELEMENTS*OUT_BITS-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    wire last;
    wire [(KERNEL > 1 ? $clog2(KERNEL) : 1)-1:0] unused_count;
    logic first;
    wire take = in_valid && in_ready;
    assign in_ready = !out_valid || out_ready;

    bfx_counter #(.SIZE(KERNEL)) beats (.clk, .rst_n, .step(take), .count(unused_count), .last);

    for (genvar e = 0; e < int'(ELEMENTS); e++) begin : gen_element
        wire [IN_BITS-1:0] value = in_data[e*IN_BITS+:IN_BITS];
        if (FUNCTION == "max") begin : gen_max
            logic [IN_BITS-1:0] largest;
            wire greater = SIGNED ? $signed(value) > $signed(largest) : value > largest;
            // Not a multiplexer: the register is loaded or it is not.
            always_ff @(posedge clk) if (take && (first || greater)) largest <= value;
            assign out_data[e*OUT_BITS+:OUT_BITS] = OUT_BITS'(largest);
        end else begin : gen_sum
            localparam int unsigned Wide = SUM_BITS > SHIFT + OUT_BITS ? SUM_BITS : SHIFT + OUT_BITS;
            logic [SUM_BITS-1:0] sum;
            wire [SUM_BITS-1:0] addend = SIGNED ? SUM_BITS'($signed(value)) : SUM_BITS'(value);
            // Sums may be known to need fewer bits than the type of the inputs has.
            wire unused = &{1'b0, value};
            always_ff @(posedge clk) if (take) sum <= (first ? '0 : sum) + addend;
            wire [Wide-1:0] extended = SIGNED ? Wide'($signed(sum)) : Wide'(sum);
            assign out_data[e*OUT_BITS+:OUT_BITS] = extended[SHIFT+:OUT_BITS];
            if (SHIFT > 0) begin : gen_dropped
                wire [SHIFT-1:0] unused_low = extended[SHIFT-1:0];
            end
            if (Wide > SHIFT + OUT_BITS) begin : gen_cut
                wire [Wide-SHIFT-OUT_BITS-1:0] unused_high = extended[Wide-1:SHIFT+OUT_BITS];
            end
        end
    end
    always_ff @(posedge clk) begin
        if (!rst_n) first <= 1'b1;
        else if (take) first <= last;
        if (!rst_n) out_valid <= 1'b0;
        else if (in_ready) out_valid <= in_valid && last;
    end
endmodule
