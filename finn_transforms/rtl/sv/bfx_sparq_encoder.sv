// Encodes 8-bit activations for a SPARQ matrix-vector unit: per activation a data field of N bits and a ShiftCtrl, the
// place of its shift in TABLE; with PAIRS also a MuxCtrl of 2 bits per two of them.
//
// Two activations that are not zero, and without PAIRS all, get a narrow window each, at one of SHIFTS. The partner of
// a zero gets a wide one, of 8 or 2N bits, rounded, whose upper N bits travel in the zero's field. One register behind it;
// out_ready makes in_ready within the cycle.
module bfx_sparq_encoder #(
    parameter int unsigned SIMD = 2,
    parameter int unsigned N = 4,
    parameter int unsigned COUNT = 5,
    parameter bit [COUNT-1:0][31:0] SHIFTS = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0},
    parameter int unsigned PLACES = 5,
    parameter bit [PLACES-1:0][31:0] TABLE = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0},
    parameter bit ROUNDING = 1,
    parameter bit CARRY = 0,
    parameter bit PAIRS = 1,
    parameter int unsigned WORD = PAIRS ? 2 * (N + $clog2(PLACES)) + 2 : N + $clog2(PLACES)
) (
    input wire clk,
    input wire rst_n,
    input wire [SIMD*8-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [(PAIRS ? SIMD / 2 : SIMD)*WORD-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    localparam int unsigned C = $clog2(PLACES);
    localparam int unsigned Wide = N > 4 ? 8 : 2 * N;
    localparam int unsigned Low = Wide - N;
    localparam int unsigned WideCount = 9 - Wide;
    typedef bit [WideCount-1:0][31:0] shifts_t;

    function automatic shifts_t wide_shifts();
        shifts_t result;
        for (int i = 0; i < int'(WideCount); i++) result[i] = 32'(i);
        return result;
    endfunction

    function automatic logic [C-1:0] place_of(logic [2:0] shift);
        logic [C-1:0] found = '0;
        for (int i = 0; i < int'(PLACES); i++) if (shift == 3'(TABLE[i])) found |= C'(i);
        return found;
    endfunction

    wire [SIMD-1:0][7:0] values = in_data;
    wire [SIMD-1:0][N+C-1:0] narrow;
    for (genvar s = 0; s < int'(SIMD); s++) begin : gen_narrow
        wire [N-1:0] data;
        wire [2:0] shift;
        bfx_sparq_window #(
            .N(N), .COUNT(COUNT), .SHIFTS(SHIFTS), .ROUNDING(ROUNDING), .CARRY(CARRY)
        ) i_window (.value(values[s]), .data, .shift);
        assign narrow[s] = {place_of(shift), data};
    end

    wire [(PAIRS ? SIMD / 2 : SIMD)*WORD-1:0] words;
    if (!PAIRS) begin : gen_single
        assign words = narrow;
    end else begin : gen_pairs
        for (genvar p = 0; p < int'(SIMD) / 2; p++) begin : gen_pair
            wire first_zero = values[2*p] == '0;
            wire second_zero = values[2*p+1] == '0;
            wire first_wide = second_zero && !first_zero;
            wire second_wide = first_zero && !second_zero;
            wire [Wide-1:0] window;
            wire [2:0] shift;
            bfx_sparq_window #(
                .N(Wide), .COUNT(WideCount), .SHIFTS(wide_shifts()), .ROUNDING(1), .CARRY(CARRY)
            ) i_wide (.value(values[2*p] | values[2*p+1]), .data(window), .shift);
            wire [N+C-1:0] lower = {place_of(shift), N'(window[Low-1:0])};
            wire [N+C-1:0] upper = {place_of(3'(shift + 3'(Low))), window[Wide-1:Low]};
            wire [N+C-1:0] first = first_wide ? lower : second_wide ? upper : narrow[2*p];
            wire [N+C-1:0] second = second_wide ? lower : first_wide ? upper : narrow[2*p+1];
            assign words[p*WORD+:WORD] = {second_wide, first_wide, second, first};
        end
    end

    wire load = !out_valid || out_ready;
    assign in_ready = load;
    always_ff @(posedge clk) begin
        if (load) out_data <= words;
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= in_valid;
    end
endmodule
