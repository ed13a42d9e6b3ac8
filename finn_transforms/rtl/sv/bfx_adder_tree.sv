// Sum of N unsigned operands, each at most MAX, modulo 2^OW.
//
// Adders of three operands: a LUT6 computes parity and majority of three bits and the carry chain adds both, so that
// a third operand takes no more LUTs than a second one. A register behind each level; latency: levels of 3 to 1, or LEVELS
// where that is more.
module bfx_adder_tree #(
    parameter int N = 9,
    parameter int W = 4,
    parameter longint unsigned MAX = 15,
    parameter int OW = 8,
    parameter int LEVELS = 0
) (
    input wire clk,
    input wire en,
    input wire [N-1:0][W-1:0] x,
    output logic [OW-1:0] y
);
  function automatic int width_of(longint unsigned most);
    int bits = 1;
    while ((most >> bits) != 0) bits++;
    return bits < OW ? bits : OW;
  endfunction

  generate
    if (N == 1 && LEVELS <= 0) begin : g_one
      wire unused = &{1'b0, clk, en};
      assign y = OW'(x[0]);
    end else begin : g_level
      localparam int GROUPS = (N + 2) / 3;
      localparam int GW = width_of(3 * MAX);
      logic [GROUPS-1:0][GW-1:0] sums;
      for (genvar g = 0; g < GROUPS; g++) begin : g_group
        localparam int LEFT = N - 3 * g < 3 ? N - 3 * g : 3;
        localparam int SW = width_of(LEFT * MAX);
        logic [SW-1:0] sum;
        if (LEFT == 1) begin : g_pass
          always_ff @(posedge clk) if (en) sum <= SW'(x[3*g]);
        end else if (LEFT == 2) begin : g_two
          always_ff @(posedge clk) if (en) sum <= SW'(x[3*g]) + SW'(x[3*g+1]);
        end else begin : g_three
          always_ff @(posedge clk) if (en) sum <= SW'(x[3*g]) + SW'(x[3*g+1]) + SW'(x[3*g+2]);
        end
        assign sums[g] = GW'(sum);
      end
      bfx_adder_tree #(.N(GROUPS), .W(GW), .MAX(3 * MAX), .OW(OW), .LEVELS(LEVELS - 1)) i_rest (
          .clk,
          .en,
          .x(sums),
          .y
      );
    end
  endgenerate
endmodule
