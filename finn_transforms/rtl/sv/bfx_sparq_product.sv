// field * weight, N x B bits, of one of two weights: rows of two bits of the field, and their adders.
//
// Latency: 1, and the levels of the adders of (N + 1) / 2 rows: one for two or three of them, two for four.
module bfx_sparq_product #(
    parameter int unsigned N = 4,
    parameter int unsigned B = 8,
    parameter bit SIGNED = 1
) (
    input wire clk,
    input wire en,
    input wire [N-1:0] field,
    input wire crossed,
    input wire [B-1:0] own,
    input wire [B-1:0] other,
    output wire [B+N-1:0] y
);
    localparam int unsigned Rows = (N + 1) / 2;
    wire [B-1:0] weight = crossed ? other : own;

    logic [Rows-1:0][B+1:0] rows;
    for (genvar r = 0; r < int'(Rows); r++) begin : gen_row
        wire [B-1:0] low = weight & {B{field[2*r]}};
        if (2 * r + 1 < int'(N)) begin : gen_two
            wire [B-1:0] high = weight & {B{field[2*r+1]}};
            always_ff @(posedge clk)
                if (en) rows[r] <= {{2{SIGNED && low[B-1]}}, low} + {SIGNED && high[B-1], high, 1'b0};
        end else begin : gen_one
            always_ff @(posedge clk) if (en) rows[r] <= {{2{SIGNED && low[B-1]}}, low};
        end
    end

    // A bit more than the product needs, which is a copy of its sign.
    function automatic logic [B+N:0] at(logic [B+1:0] row, int unsigned shift);
        logic signed [B+N:0] extended;
        extended = (B + N + 1)'($signed({SIGNED && row[B+1], row}));
        return extended << shift;
    endfunction

    logic [B+N:0] product;
    if (Rows == 1) begin : gen_row_alone
        assign product = at(rows[0], 0);
    end else if (Rows == 2) begin : gen_two_rows
        always_ff @(posedge clk) if (en) product <= at(rows[0], 0) + at(rows[1], 2);
    end else if (Rows == 3) begin : gen_three_rows
        always_ff @(posedge clk) if (en) product <= at(rows[0], 0) + at(rows[1], 2) + at(rows[2], 4);
    end else begin : gen_four_rows
        logic [B+N:0] lower;
        logic [B+1:0] top;
        always_ff @(posedge clk) begin
            if (en) begin
                lower <= at(rows[0], 0) + at(rows[1], 2) + at(rows[2], 4);
                top <= rows[3];
                product <= lower + at(top, 6);
            end
        end
    end
    wire unused = product[B+N];
    assign y = product[B+N-1:0];
endmodule
