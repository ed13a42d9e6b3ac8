// Ways to build the dot product that finn_transforms/rtl/sv/bfx_dot.sv was chosen from: signed weights of M bits,
// unsigned inputs of N bits, SIMD products a cycle, accumulated modulo 2^P.

// Sum of COUNT signed operands modulo 2^OW by adders of ARITY operands, a register behind each.
module style_tree #(
    parameter int COUNT = 4,
    parameter int W = 8,
    parameter int OW = 12,
    parameter int ARITY = 2
) (
    input wire clk,
    input wire signed [COUNT-1:0][W-1:0] x,
    output logic [OW-1:0] y
);
    localparam int Left = (COUNT + ARITY - 1) / ARITY;
    localparam int Wider = W + ARITY - 1 < OW ? W + ARITY - 1 : OW;
    if (COUNT == 1) begin : g_one
        assign y = OW'($signed(x[0]));
    end else begin : g_level
        logic [Left-1:0][Wider-1:0] sums;
        for (genvar g = 0; g < Left; g++) begin : g_group
            if (ARITY * g + 1 == COUNT) begin : g_pass
                always_ff @(posedge clk) sums[g] <= Wider'($signed(x[ARITY*g]));
            end else if (ARITY == 2 || ARITY * g + 2 == COUNT) begin : g_two
                always_ff @(posedge clk) sums[g] <= Wider'($signed(x[ARITY*g])) + Wider'($signed(x[ARITY*g+1]));
            end else begin : g_three
                always_ff @(posedge clk)
                    sums[g] <= Wider'($signed(x[ARITY*g])) + Wider'($signed(x[ARITY*g+1])) + Wider'($signed(x[ARITY*g+2]));
            end
        end
        style_tree #(.COUNT(Left), .W(Wider), .OW(OW), .ARITY(ARITY)) i_rest (.clk, .x(sums), .y);
    end
endmodule

// A product of explicit rows: pairs of rows added, then the pairs, a register behind each adder.
module style_rows #(
    parameter int M = 4,
    parameter int N = 4,
    parameter int ARITY = 2
) (
    input wire clk,
    input wire [M-1:0] w,
    input wire [N-1:0] x,
    output logic [M+N-1:0] y
);
    localparam int Pairs = (M + 1) / 2;
    localparam int W = M + N;
    logic [Pairs-1:0][W-1:0] sums;
    for (genvar p = 0; p < Pairs; p++) begin : g_pair
        wire [N-1:0] low = x & {N{w[2*p]}};
        if (2 * p + 1 == M) begin : g_last
            always_ff @(posedge clk) sums[p] <= W'(-$signed({1'b0, low})) << (2 * p);
        end else begin : g_both
            wire [N-1:0] high = x & {N{w[2*p+1]}};
            // The top row counts negative.
            if (2 * p + 2 == M) begin : g_top
                always_ff @(posedge clk)
                    sums[p] <= W'($signed({2'b0, low}) - $signed({1'b0, high, 1'b0})) << (2 * p);
            end else begin : g_inner
                always_ff @(posedge clk) sums[p] <= W'({2'b0, low} + {1'b0, high, 1'b0}) << (2 * p);
            end
        end
    end
    style_tree #(.COUNT(Pairs), .W(W), .OW(W), .ARITY(ARITY)) i_tree (.clk, .x(sums), .y);
endmodule

module style_dot #(
    parameter STYLE = "planes3",
    parameter int SIMD = 16,
    parameter int M = 4,
    parameter int N = 4,
    parameter int P = 12
) (
    input wire clk,
    input wire [SIMD-1:0][M-1:0] w,
    input wire [SIMD-1:0][N-1:0] x,
    input wire first,
    output logic [P-1:0] y
);
    localparam int W = M + N < P ? M + N : P;
    localparam int Arity = STYLE == "rows3" || STYLE == "star3" ? 3 : 2;
    if (STYLE == "planes3") begin : g_library
        bfx_dot #(.SIMD(SIMD), .PLANES(M), .W(N), .P(P)) i_dot (
            .clk, .en(1'b1), .select(w), .value(x), .shared('0), .add(1'b1), .first, .y
        );
    end else if (STYLE == "planes2") begin : g_planes
        logic [M-1:0][P-1:0] planes;
        for (genvar b = 0; b < M; b++) begin : g_plane
            logic [(SIMD+1)/2-1:0][N+1:0] pairs;
            for (genvar s = 0; s < SIMD; s += 2) begin : g_pair
                if (s + 1 == SIMD) begin : g_one
                    always_ff @(posedge clk) pairs[s/2] <= {2'b0, x[s] & {N{w[s][b]}}};
                end else begin : g_two
                    always_ff @(posedge clk)
                        pairs[s/2] <= {2'b0, x[s] & {N{w[s][b]}}} + {2'b0, x[s+1] & {N{w[s+1][b]}}};
                end
            end
            logic [P-b-1:0] sum;
            style_tree #(.COUNT((SIMD + 1) / 2), .W(N + 2), .OW(P - b)) i_tree (.clk, .x(pairs), .y(sum));
            // The top plane counts negative: its complement, and 1 for each of 4 words.
            wire [P-b-1:0] signs = b == M - 1 ? ~sum : sum;
            assign planes[b] = P'(signs) << b;
        end
        logic [P-1:0] total;
        style_tree #(.COUNT(M), .W(P), .OW(P)) i_planes (.clk, .x(planes), .y(total));
        always_ff @(posedge clk) y <= (first ? P'(4 << (M - 1)) : y) + total;
    end else begin : g_products
        logic [SIMD-1:0][M+N-1:0] products;
        logic [SIMD-1:0][W-1:0] kept;
        logic [P-1:0] total;
        for (genvar s = 0; s < SIMD; s++) begin : g_product
            if (STYLE == "star" || STYLE == "star3") begin : g_star
                always_ff @(posedge clk) products[s] <= (M + N)'($signed(w[s]) * $signed({1'b0, x[s]}));
            end else begin : g_rows
                style_rows #(.M(M), .N(N), .ARITY(Arity)) i_rows (.clk, .w(w[s]), .x(x[s]), .y(products[s]));
            end
            assign kept[s] = products[s][W-1:0];
        end
        style_tree #(.COUNT(SIMD), .W(W), .OW(P), .ARITY(Arity)) i_tree (.clk, .x(kept), .y(total));
        always_ff @(posedge clk) y <= (first ? '0 : y) + total;
    end
endmodule
