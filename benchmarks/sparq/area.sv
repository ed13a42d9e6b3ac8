// Processing elements with an accumulator of P bits, one set of operands per cycle: what benchmarks/sparq/area.py compares.

// Sum of rows of two bits of x, the same way as bfx_sparq_product makes its own: N x 8 bits.
module area_rows #(parameter int N = 8) (
    input wire clk, input wire [N-1:0] x, input wire [7:0] w, output logic signed [N+7:0] y
);
    logic signed [N/2-1:0][9:0] rows;
    for (genvar r = 0; r < N / 2; r++) begin : g_row
        wire [7:0] low = w & {8{x[2*r]}};
        wire [7:0] high = w & {8{x[2*r+1]}};
        always_ff @(posedge clk) rows[r] <= {{2{low[7]}}, low} + {high[7], high, 1'b0};
    end
    if (N == 8) begin : g_eight
        logic signed [11:0] lower, upper;
        always_ff @(posedge clk) begin
            lower <= 12'($signed(rows[0])) + {rows[1], 2'b0};
            upper <= 12'($signed(rows[2])) + {rows[3], 2'b0};
            y <= 16'($signed(lower)) + {upper, 4'b0};
        end
    end else begin : g_four
        always_ff @(posedge clk) y <= 12'($signed(rows[0])) + {rows[1], 2'b0};
    end
endmodule

// Adds two terms, and their sum to an accumulator; an adder of three takes more LUTs where one of them is cleared.
module area_sum #(parameter int W = 16, parameter int P = 24) (
    input wire clk, input wire first, input wire signed [1:0][W-1:0] terms, output logic [P-1:0] y
);
    logic signed [W:0] sum;
    always_ff @(posedge clk) begin
        sum <= (W + 1)'($signed(terms[0])) + (W + 1)'($signed(terms[1]));
        y <= (first ? '0 : y) + P'($signed(sum));
    end
endmodule

// One product of 8 x 8 bits per cycle. STYLE: "rows", or "star" for the tool's own multiplier.
module area_mac #(parameter STYLE = "rows", parameter int P = 24) (
    input wire clk, input wire first, input wire [7:0] x, input wire [7:0] w, output logic [P-1:0] y
);
    logic signed [15:0] product;
    if (STYLE == "star") begin : g_star
        always_ff @(posedge clk) product <= 16'($signed(w) * $signed({1'b0, x}));
    end else begin : g_rows
        area_rows i_rows (.clk, .x, .w, .y(product));
    end
    always_ff @(posedge clk) y <= (first ? '0 : y) + P'($signed(product));
endmodule

// Two products of 4 x 8 bits, each with a weight of its own, no shifts: the least that SPARQ can take (paper, 2x4b-8b).
module area_fixed #(parameter int P = 24) (
    input wire clk, input wire first, input wire [1:0][3:0] x, input wire [1:0][7:0] w, output logic [P-1:0] y
);
    logic signed [1:0][11:0] products;
    for (genvar i = 0; i < 2; i++) begin : g_half
        area_rows #(.N(4)) i_rows (.clk, .x(x[i]), .w(w[i]), .y(products[i]));
    end
    area_sum #(.W(12), .P(P)) i_sum (.clk, .first, .terms(products), .y);
endmodule

// SPARQ: two products of N x 8 bits, weights chosen, results shifted. STYLE: "rows" is the library's, bfx_sparq_pair; "star" lets the tool
// multiply; "packed" makes both products of one multiplication of 21 x 17 bits, which is one DSP slice. There weights have
// their top bits inverted, which is 128 more, so that no product borrows from the next.
module area_sparq #(
    parameter STYLE = "rows", parameter int unsigned N = 4, parameter int unsigned PLACES = 5,
    parameter bit [PLACES-1:0][31:0] TABLE = '0, parameter int P = 24, parameter int unsigned C = $clog2(PLACES)
) (
    input wire clk, input wire first, input wire [1:0][N-1:0] x, input wire [1:0][C-1:0] place,
    input wire [1:0] crossed, input wire [1:0][7:0] w, output logic [P-1:0] y
);
    if (STYLE == "rows") begin : g_rows
        logic [1:0][C-1:0] places;
        logic [16:0] sum;
        always_ff @(posedge clk) places <= place;
        bfx_sparq_pair #(.N(N), .PLACES(PLACES), .TABLE(TABLE)) i_pair (
            .clk, .en(1'b1), .fields(x), .crossed, .weights(w), .places(N < 3 ? place : places), .y(sum)
        );
        always_ff @(posedge clk) y <= (first ? '0 : y) + P'($signed({!sum[16], sum[15:0]}));
    end else begin : g_product
        logic signed [1:0][15:0] shifted;
        logic signed [1:0][N+7:0] products;
        logic [1:0][C-1:0] places;
        wire [1:0][7:0] weights = {crossed[1] ? w[0] : w[1], crossed[0] ? w[1] : w[0]};
        if (STYLE == "packed") begin : g_packed
            logic [1:0][3:0] fields;
            logic [37:0] both;
            wire [20:0] left = {!weights[1][7], weights[1][6:0], 5'b0, !weights[0][7], weights[0][6:0]};
            wire [16:0] right = {x[1], 9'b0, x[0]};
            always_ff @(posedge clk) {both, fields, places} <= {38'(left) * 38'(right), x, place};
            for (genvar i = 0; i < 2; i++) begin : g_half
                assign products[i] = {both[26*i+7+:5] - {1'b0, fields[i]}, both[26*i+:7]};
            end
        end else begin : g_star
            for (genvar i = 0; i < 2; i++) begin : g_half
                always_ff @(posedge clk) products[i] <= (N + 8)'($signed(weights[i]) * $signed({1'b0, x[i]}));
            end
            always_ff @(posedge clk) places <= place;
        end
        for (genvar i = 0; i < 2; i++) begin : g_shift
            logic [15:0] chosen;
            always_comb begin
                chosen = '0;
                for (int k = 0; k < int'(PLACES); k++)
                    if (int'(places[i]) == k) chosen = 16'($signed(products[i])) << TABLE[k];
            end
            always_ff @(posedge clk) shifted[i] <= chosen;
        end
        if (STYLE == "star") begin : g_three
            // Fewer LUTs here than the adder of both.
            always_ff @(posedge clk) y <= (first ? '0 : y) + P'($signed(shifted[0])) + P'($signed(shifted[1]));
        end else begin : g_sum
            area_sum #(.W(16), .P(P)) i_sum (.clk, .first, .terms(shifted), .y);
        end
    end
endmodule

// Two products of 8 x 8 bits, exact: each bit of the two weights chooses 0, one activation, the other or the sum of both,
// which fits the LUT of the adder. The sum of both is given: it is the same for all elements of a column (SHARED), or
// made here.
module area_exact #(parameter bit SHARED = 1, parameter int P = 24) (
    input wire clk, input wire rst_n, input wire first, input wire [1:0][7:0] x, input wire [8:0] both,
    input wire [1:0][7:0] w, output logic [P-1:0] y
);
    // A stage per bit of the weights, from the highest on, which is negative.
    logic [7:0][1:0][7:0] values, weights;
    logic [7:0][8:0] sums;
    logic [7:0][17:0] partial;
    always_ff @(posedge clk) {values[0], sums[0]} <= {x, SHARED ? both : {1'b0, x[0]} + {1'b0, x[1]}};
    // Without a reset they would become shift registers, which are LUTs.
    always_ff @(posedge clk) weights <= rst_n ? {weights[6:0], w} : '0;
    for (genvar b = 0; b < 8; b++) begin : g_bit
        wire [1:0] bits = {weights[b][1][7-b], weights[b][0][7-b]};
        wire [8:0] term = bits == 2'd3 ? sums[b] : bits == 2'd2 ? {1'b0, values[b][1]} : bits == 2'd1
            ? {1'b0, values[b][0]} : 9'd0;
        if (b == 0) begin : g_top
            always_ff @(posedge clk) partial[0] <= {9'h1ff, ~term};
        end else begin : g_lower
            always_ff @(posedge clk) partial[b] <= {partial[b-1][16:0], 1'b1} + {9'b0, term};
        end
        if (b < 7) begin : g_next
            always_ff @(posedge clk) {values[b+1], sums[b+1]} <= {values[b], sums[b]};
        end
    end
    // A complement on top and ones shifted in make 1 less; so does the complement here.
    always_ff @(posedge clk) y <= (first ? '0 : y) - P'($signed(~partial[7]));
endmodule
