// x[0] 2^SHIFT[0] + x[1] 2^SHIFT[1] + ... modulo 2^OW, shifts ascending, x[i] unsigned and WIDTH[i] bits wide.
//
// Reduced by adders of three operands until one or two are left, y[0] and y[1], which the accumulator adds.
// Bits below the second operand of an adder pass it by. Latency: steps of n to n / 3 + n % 3 until n <= 2.
module bfx_shift_tree #(
    parameter int N = 4,
    parameter int OW = 12,
    parameter bit [N-1:0][31:0] WIDTH = '{default: 8},
    parameter bit [N-1:0][31:0] SHIFT = '0,
    parameter int LEVELS = 0
) (
    input wire clk,
    input wire en,
    input wire [N-1:0][OW-1:0] x,
    output logic [1:0][OW-1:0] y
);
  localparam int THREES = N / 3;
  localparam int M = THREES + N % 3;
  typedef bit [M-1:0][31:0] sizes_t;

  function automatic int sum_width(int g);
    longint unsigned most;
    int bits;
    most = 0;
    for (int i = 3 * g; i < 3 * g + 3 && i < N; i++)
      most += ((64'd1 << WIDTH[i]) - 1) << (SHIFT[i] - SHIFT[3*g]);
    bits = 1;
    while ((most >> bits) != 0) bits++;
    return bits < OW - int'(SHIFT[3*g]) ? bits : OW - int'(SHIFT[3*g]);
  endfunction

  function automatic sizes_t next_width();
    sizes_t result;
    for (int i = 0; i < M; i++) result[i] = i < THREES ? 32'(sum_width(i)) : WIDTH[i+2*THREES];
    return result;
  endfunction

  function automatic sizes_t next_shift();
    sizes_t result;
    for (int i = 0; i < M; i++) result[i] = i < THREES ? SHIFT[3*i] : SHIFT[i+2*THREES];
    return result;
  endfunction

  generate
    if (N == 1 && LEVELS <= 0) begin : g_one
      wire unused = &{1'b0, clk, en};
      assign y[0] = x[0] << SHIFT[0];
      assign y[1] = '0;
    end else if (N == 2 && LEVELS <= 0) begin : g_two
      wire unused = &{1'b0, clk, en};
      assign y[0] = x[0] << SHIFT[0];
      assign y[1] = x[1] << SHIFT[1];
    end else begin : g_level
      logic [M-1:0][OW-1:0] sums;
      for (genvar g = 0; g < M; g++) begin : g_group
        if (g < THREES) begin : g_add
          localparam int SW = sum_width(g);
          localparam int LOW = int'(SHIFT[3*g+1] - SHIFT[3*g]);
          localparam int STEP = int'(SHIFT[3*g+2] - SHIFT[3*g+1]);
          localparam int HW = SW - LOW;
          logic [SW-1:0] sum;
          always_ff @(posedge clk)
            if (en) sum[SW-1:LOW] <= HW'(x[3*g] >> LOW) + HW'(x[3*g+1]) + HW'(x[3*g+2] << STEP);
          if (LOW > 0) begin : g_low
            always_ff @(posedge clk) if (en) sum[LOW-1:0] <= x[3*g][LOW-1:0];
          end
          assign sums[g] = OW'(sum);
        end else begin : g_pass
          localparam int PW = int'(WIDTH[g+2*THREES]);
          logic [PW-1:0] held;
          always_ff @(posedge clk) if (en) held <= PW'(x[g+2*THREES]);
          assign sums[g] = OW'(held);
        end
      end
      bfx_shift_tree #(.N(M), .OW(OW), .WIDTH(next_width()), .SHIFT(next_shift()), .LEVELS(LEVELS - 1)) i_rest (
          .clk,
          .en,
          .x(sums),
          .y
      );
    end
  endgenerate
endmodule
