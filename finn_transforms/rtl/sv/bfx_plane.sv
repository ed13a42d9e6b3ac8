// Sum of SIMD values, each multiplied by one bit: a plane of a dot product, modulo 2^OW.
//
// A term is `value` or 0 as its bit says, or with XNOR `value` or its complement. Two terms and their adder fit one LUT per
// bit (three terms of one bit: two LUTs). With SIGNED, values are two's complement; their top bit enters inverted, so
// that every sum is unsigned and the result is too large by SIMD * 2^(W - 1).
// Latency: 1 and that of the tree over the pairs (values of one bit: triples).
module bfx_plane #(
    parameter int SIMD = 16,
    parameter int W = 4,
    parameter bit SIGNED = 0,
    parameter bit XNOR = 0,
    parameter int OW = 8
) (
    input wire clk,
    input wire en,
    input wire [SIMD-1:0] select,
    input wire [SIMD-1:0][W-1:0] value,
    output logic [OW-1:0] y
);
  localparam int LEAF = W == 1 ? 3 : 2;
  localparam int LEAVES = (SIMD + LEAF - 1) / LEAF;
  localparam longint unsigned TERM_MAX = (64'd1 << W) - 1;

  function automatic logic [W-1:0] term(logic s, logic [W-1:0] v);
    logic [W-1:0] t;
    t = XNOR ? ~(v ^ {W{s}}) : v & {W{s}};
    if (SIGNED) t[W-1] = ~t[W-1];
    return t;
  endfunction

  logic [LEAVES-1:0][W:0] leaves;

  generate
    for (genvar g = 0; g < LEAVES; g++) begin : g_leaf
      localparam int AT = LEAF * g;
      localparam int LEFT = SIMD - AT < LEAF ? SIMD - AT : LEAF;
      if (LEFT == 1) begin : g_one
        // Multiplied behind the register, in the LUT of the adder there.
        logic [W-1:0] held;
        logic chosen;
        always_ff @(posedge clk) if (en) {chosen, held} <= {select[AT], value[AT]};
        assign leaves[g] = {1'b0, term(chosen, held)};
      end else begin : g_more
        logic [W:0] sum;
        if (LEFT == 2) begin : g_two
          always_ff @(posedge clk)
            if (en) sum <= {1'b0, term(select[AT], value[AT])} + {1'b0, term(select[AT+1], value[AT+1])};
        end else begin : g_three
          always_ff @(posedge clk)
            if (en)
              sum <= {1'b0, term(select[AT], value[AT])} + {1'b0, term(select[AT+1], value[AT+1])}
                  + {1'b0, term(select[AT+2], value[AT+2])};
        end
        assign leaves[g] = sum;
      end
    end
  endgenerate

  bfx_adder_tree #(.N(LEAVES), .W(W + 1), .MAX(LEAF * TERM_MAX), .OW(OW)) i_tree (
      .clk,
      .en,
      .x(leaves),
      .y
  );
endmodule
