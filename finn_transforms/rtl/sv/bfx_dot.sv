// Dot product of SIMD terms per cycle, summed over BEATS cycles, modulo 2^P.
//
// The narrower factor is cut into PLANES bits, `select`; each plane sums the other factor's `value` where its bit is 1,
// and the shifted planes are added with the accumulator. SHARED > 0 subtracts an operand of so many bits, the same for
// all dot products of a layer. All operands are unsigned: what inverted top bits and complements add is a constant,
// which is where the accumulator starts.
module bfx_dot #(
    parameter int SIMD = 16,
    parameter int BEATS = 4,
    parameter int PLANES = 4,
    parameter bit NEGATIVE = 1,  // the top plane counts negative: `select` is two's complement
    parameter int SCALE = 0,  // the planes' sum is shifted left by so many bits, 0 or 1
    parameter int W = 4,
    parameter bit SIGNED = 0,  // `value` is two's complement
    parameter bit XNOR = 0,  // terms are value or its complement
    parameter int SHARED = 0,
    parameter longint CONSTANT = 0,  // added to the result of every beat
    parameter int LEVELS = 0,  // of adders of planes, at least
    parameter int STEP = 0,  // the sum of the operands is shifted left by so many bits where `far` says so
    parameter int P = 12
) (
    input wire clk,
    input wire en,
    input wire [SIMD-1:0][PLANES-1:0] select,
    input wire [SIMD-1:0][W-1:0] value,
    input wire [(SHARED > 0 ? SHARED : 1)-1:0] shared,  // as late as the planes
    input wire add,  // the planes' sum reaches the accumulator
    input wire first,
    input wire far,
    output logic [P-1:0] y
);
  // Planes of a weight of 2^P and more do not matter.
  localparam int KEPT = PLANES + SCALE < P ? PLANES : P - SCALE;
  localparam int TOGETHER = SHARED > 0 ? 1 : 0;
  localparam int N = KEPT + TOGETHER;
  localparam longint unsigned PLANE_MAX = SIMD * ((64'd1 << W) - 1);
  typedef bit [N-1:0][31:0] sizes_t;

  function automatic int plane_width();
    int bits = 1;
    while ((PLANE_MAX >> bits) != 0) bits++;
    return bits;
  endfunction

  localparam int PW = plane_width();

  function automatic sizes_t widths();
    sizes_t result;
    for (int i = 0; i < N; i++) begin
      int bits = i < TOGETHER ? SHARED : PW;
      int room = i < TOGETHER ? P : P - SCALE - (i - TOGETHER);
      result[i] = 32'(bits < room ? bits : room);
    end
    return result;
  endfunction

  function automatic sizes_t shifts();
    sizes_t result;
    for (int i = 0; i < N; i++) result[i] = i < TOGETHER ? 32'd0 : 32'(SCALE + i - TOGETHER);
    return result;
  endfunction

  function automatic logic [63:0] start();
    longint result = CONSTANT;
    for (int i = 0; i < PLANES; i++) begin
      bit negative = NEGATIVE && i == PLANES - 1;
      longint excess = SIGNED ? longint'(SIMD) << (W - 1 + SCALE + i) : 0;
      result -= negative ? ((64'd1 << PW) - 1) << (SCALE + i) : excess;
      if (negative) result += excess;
    end
    if (SHARED > 0) result -= (64'd1 << SHARED) - 1;
    return 64'(result * BEATS);
  endfunction

  localparam sizes_t WIDTHS = widths();
  localparam sizes_t SHIFTS = shifts();
  localparam logic [P-1:0] START = P'(start());

  // Of P bits, planes from 2^P on matter to nothing; that may be all of them.
  wire unused_planes = &{1'b0, select, value};
  logic [N-1:0][P-1:0] sums;
  logic [1:0][P-1:0] terms;
  logic [P-1:0] total;

  generate
    if (SHARED > 0) begin : g_shared
      localparam int OW = int'(WIDTHS[0]);
      wire unused = &{1'b0, shared};  // bits from P on
      wire [OW-1:0] complement = ~shared[OW-1:0];
      assign sums[0] = P'(complement);
    end else begin : g_alone
      wire unused = &{1'b0, shared};
    end
    for (genvar b = 0; b < KEPT; b++) begin : g_plane
      localparam int OW = int'(WIDTHS[b+TOGETHER]);
      logic [SIMD-1:0] bits;
      logic [OW-1:0] sum;
      for (genvar s = 0; s < SIMD; s++) begin : g_bit
        assign bits[s] = select[s][b];
      end
      bfx_plane #(.SIMD(SIMD), .W(W), .SIGNED(SIGNED), .XNOR(XNOR), .OW(OW)) i_plane (
          .clk,
          .en,
          .select(bits),
          .value,
          .y(sum)
      );
      if (NEGATIVE && b == PLANES - 1) begin : g_negative
        wire [OW-1:0] complement = ~sum;
        assign sums[b+TOGETHER] = P'(complement);
      end else begin : g_positive
        assign sums[b+TOGETHER] = P'(sum);
      end
    end
  endgenerate

  bfx_shift_tree #(.N(N), .OW(P), .WIDTH(WIDTHS), .SHIFT(SHIFTS), .LEVELS(LEVELS)) i_combine (
      .clk,
      .en,
      .x(sums),
      .y(terms)
  );

  generate
    if (BEATS == 1) begin : g_once
      wire unused = &{1'b0, first};
      assign total = START;
    end else begin : g_accumulate
      assign total = first ? START : y;
    end
  endgenerate

  // With two operands the adder's LUTs choose.
  wire is_far = STEP > 0 && far;
  wire [P-1:0] low = is_far ? terms[0] << STEP : terms[0];
  wire [P-1:0] high = is_far ? terms[1] << STEP : terms[1];
  always_ff @(posedge clk) if (en && add) y <= total + low + high;
endmodule
