// Matrix-vector unit: NF = MH / PE groups of PE dot products over SF = MW / SIMD words of SIMD inputs.
//
// A word of weights per cycle; an initiation interval of NF * SF cycles per vector. Results are kept in a register until
// they are taken. SF > 1: out_ready reaches no other signal within a cycle. SF = 1: it enables the pipeline, and with
// NF = 1 it also makes in_ready (one LUT). Weights come `weights` words at a time: from a stream (STREAMED), where a word is
// taken together with its inputs, or from a memory outside that is read at `address` when `advance` is set.
//
// SEPARATE: every dot product has inputs of its own, and the NF groups come one after the other, as a depthwise
// convolution has it. A beat is then SIMD times PE inputs, those of all dot products first.
module bfx_mvau #(
    parameter int SIMD = 4,
    parameter int PE = 2,
    parameter int SF = 4,
    parameter int NF = 2,
    parameter int P = 12,
    parameter int WEIGHT_BITS = 4,
    parameter bit WEIGHT_SIGNED = 1,
    parameter bit WEIGHT_BIPOLAR = 0,
    parameter int INPUT_BITS = 4,
    parameter bit INPUT_SIGNED = 0,
    parameter bit INPUT_BIPOLAR = 0,
    parameter bit STREAMED = 0,
    parameter bit SEPARATE = 0,
    parameter BUFFER_STYLE = "distributed",
    parameter int ADDRESS_BITS = NF * SF > 1 ? $clog2(NF * SF) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire [(SEPARATE ? PE : 1)*SIMD*INPUT_BITS-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    input wire [PE*SIMD*WEIGHT_BITS-1:0] weights,
    input wire weights_valid,
    output wire weights_ready,
    output wire advance,
    output wire [ADDRESS_BITS-1:0] address,
    output logic [PE*P-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    // Products of bits: equal ones are counted. Bipolar weights: twice the inputs weighted 1 less all inputs.
    // Bipolar inputs: a weight or its complement, and 1 for each complement. Else planes of the narrower factor.
    localparam bit Matches = WEIGHT_BIPOLAR && INPUT_BIPOLAR;
    localparam bit SignsWeight = WEIGHT_BIPOLAR && !INPUT_BIPOLAR;
    localparam bit SignsInput = INPUT_BIPOLAR && !WEIGHT_BIPOLAR;
    localparam bit SelectsInput = SignsInput || (!WEIGHT_BIPOLAR && INPUT_BITS < WEIGHT_BITS);
    localparam int Planes = SelectsInput ? INPUT_BITS : WEIGHT_BITS;
    localparam bit Negative = SelectsInput ? INPUT_SIGNED : WEIGHT_SIGNED;
    localparam int Given = SelectsInput ? WEIGHT_BITS : INPUT_BITS;
    localparam bit GivenSigned = SelectsInput ? WEIGHT_SIGNED : INPUT_SIGNED;
    // The complement of an unsigned weight has a sign.
    localparam int W = SignsInput && !WEIGHT_SIGNED ? Given + 1 : Given;
    localparam bit Signed = SignsInput || GivenSigned;
    localparam int Shared = SignsWeight ? $clog2(SIMD * ((64'd1 << W) - 1) + 1) : SignsInput ? $clog2(SIMD + 1) : 0;

    function automatic int tree_levels(int operands);
        int levels = 0;
        for (int n = operands; n > 1; n = (n + 2) / 3) levels++;
        return levels;
    endfunction

    function automatic int plane_levels(int width);
        return 1 + tree_levels(width == 1 ? (SIMD + 2) / 3 : (SIMD + 1) / 2);
    endfunction

    function automatic int shift_levels(int operands);
        int levels = 0;
        for (int n = operands; n > 2; n = n / 3 + n % 3) levels++;
        return levels;
    endfunction

    localparam int Constant = SignsInput ? SIMD : SignsWeight && INPUT_SIGNED ? SIMD << (W - 1) : 0;
    localparam int Scale = SignsWeight ? 1 : 0;
    localparam int Kept = Planes + Scale < P ? Planes : P - Scale;
    localparam int Depth = plane_levels(W) + shift_levels(Kept + (Shared > 0 ? 1 : 0));

    wire en, leaves, wants;
    localparam int Groups = SEPARATE ? PE : 1;
    localparam int Repeats = SEPARATE ? 1 : NF;
    wire [SIMD-1:0][Groups-1:0][INPUT_BITS-1:0] word;
    wire [Groups-1:0][SIMD-1:0][INPUT_BITS-1:0] terms;
    for (genvar g = 0; g < Groups; g++) begin : g_group
        for (genvar s = 0; s < SIMD; s++) begin : g_term
            assign terms[g][s] = word[s][g];
        end
    end
    wire [(SF * Repeats > 1 ? $clog2(SF * Repeats) : 1)-1:0] number;
    wire word_valid, word_first, word_last;
    bfx_vector_feed #(
        .WIDTH(Groups * SIMD * INPUT_BITS),
        .BEATS(SF),
        .REPEATS(Repeats),
        .RAM_STYLE(BUFFER_STYLE)
    ) i_feed (
        .clk,
        .rst_n,
        .en,
        .in_data,
        .in_valid,
        .in_ready,
        .may_leave(!STREAMED || weights_valid),
        .leaves,
        .wants,
        .number,
        .word,
        .word_valid,
        .first(word_first),
        .last(word_last)
    );
    if (Repeats == NF) begin : g_address
        assign address = number;
    end else begin : g_groups
        wire unused_last;
        wire unused = &{1'b0, number, unused_last};
        bfx_counter #(.SIZE(NF * SF)) i_address (.clk, .rst_n, .step(leaves), .count(address), .last(unused_last));
    end
    assign advance = en;
    assign weights_ready = en && wants;

    // Words of a stream are as late as the feed makes the inputs.
    wire [PE-1:0][SIMD-1:0][WEIGHT_BITS-1:0] matrix;
    if (STREAMED) begin : g_streamed
        wire unused = &{1'b0, leaves};
        logic [PE*SIMD*WEIGHT_BITS-1:0] taken;
        always_ff @(posedge clk) if (en) taken <= weights;
        if (Repeats > 1 && SF > 1) begin : g_later
            logic [PE*SIMD*WEIGHT_BITS-1:0] later;
            always_ff @(posedge clk) if (en) later <= taken;
            assign matrix = later;
        end else begin : g_now
            assign matrix = taken;
        end
    end else begin : g_read
        wire unused = &{1'b0, leaves, wants, weights_valid};
        assign matrix = weights;
    end

    wire valid, first, last;
    bfx_marks #(.DEPTH(Depth)) i_marks (
        .clk, .rst_n, .en, .valid(word_valid), .first(word_first), .last(word_last),
        .late_valid(valid), .late_first(first), .late_last(last)
    );

    wire [Groups-1:0][(Shared > 0 ? Shared : 1)-1:0] shared;
    for (genvar g = 0; g < Groups; g++) begin : g_shared
        if (Shared == 0) begin : g_none
            assign shared[g] = '0;
        end else begin : g_sum
            localparam int SW = SignsWeight ? W : 1;
            localparam int Late = plane_levels(W) - plane_levels(SW);
            logic [Late:0][Shared-1:0] sums;
            bfx_plane #(
                .SIMD(SIMD),
                .W(SW),
                .SIGNED(SignsWeight && INPUT_SIGNED),
                .OW(Shared)
            ) i_sum (
                .clk,
                .en,
                .select('1),
                .value(terms[g]),
                .y(sums[0])
            );
            if (Late > 0) begin : g_late
                always_ff @(posedge clk) begin
                    if (!rst_n) sums[Late:1] <= '0;
                    else if (en) sums[Late:1] <= sums[Late-1:0];
                end
            end
            assign shared[g] = sums[Late];
        end
    end

    wire [PE-1:0][P-1:0] results;
    for (genvar p = 0; p < PE; p++) begin : g_pe
        wire [SIMD-1:0][Planes-1:0] select;
        wire [SIMD-1:0][W-1:0] value;
        for (genvar s = 0; s < SIMD; s++) begin : g_term
            assign select[s] = Planes'(SelectsInput ? terms[SEPARATE?p:0][s] : matrix[p][s]);
            assign value[s] = W'(SelectsInput ? matrix[p][s] : terms[SEPARATE?p:0][s]);
        end
        bfx_dot #(
            .SIMD(SIMD),
            .BEATS(SF),
            .PLANES(Planes),
            .NEGATIVE(Negative),
            .SCALE(Scale),
            .W(W),
            .SIGNED(Signed && !Matches),
            .XNOR(INPUT_BIPOLAR),
            .SHARED(Shared),
            .CONSTANT(64'(Constant)),
            .P(P)
        ) i_dot (
            .clk,
            .en,
            .select,
            .value,
            .shared(shared[SEPARATE?p:0]),
            .add(valid),
            .first(first),
            .far(1'b0),
            .y(results[p])
        );
    end

    bfx_sums_out #(.WIDTH(PE * P), .SF(SF)) i_out (
        .clk, .rst_n, .sums(results), .valid, .last, .en, .out_data, .out_valid, .out_ready
    );
endmodule
