// One SPARQ multiplier: two products of N x B bits, their weights chosen, each shifted by one of the shifts of TABLE, and
// their sum of B + 9 bits. The sum of a SIGNED weight has its top bit inverted: it is unsigned and too large by 2^(B + 8).
//
// The second product's far shift is in the LUTs of the adder. Latency: that of a product, and 2 for up to four shifts, 3 for
// more. `places` come a cycle before the products.
module bfx_sparq_pair #(
    parameter int unsigned N = 4,
    parameter int unsigned B = 8,
    parameter bit SIGNED = 1,
    parameter int unsigned PLACES = 5,
    parameter bit [PLACES-1:0][31:0] TABLE = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0}
) (
    input wire clk,
    input wire en,
    input wire [1:0][N-1:0] fields,
    input wire [1:0] crossed,
    input wire [1:0][B-1:0] weights,
    input wire [1:0][$clog2(PLACES)-1:0] places,
    output logic [B+8:0] y
);
    // The far shift that leaves the fewest near ones.
    function automatic int unsigned far_shift();
        int unsigned best = 4;
        int unsigned fewest = 9;
        for (int unsigned far = 1; far < 8; far++) begin
            bit [7:0] near = '0;
            int unsigned count = 0;
            for (int i = 0; i < int'(PLACES); i++) near[3'(TABLE[i] >= far ? TABLE[i] - far : TABLE[i])] = 1'b1;
            for (int i = 0; i < 8; i++) if (near[i]) count++;
            if (count < fewest) begin
                best = far;
                fewest = count;
            end
        end
        return best;
    endfunction

    localparam int unsigned Far = far_shift();
    wire [1:0][B+N-1:0] products;
    for (genvar i = 0; i < 2; i++) begin : gen_product
        bfx_sparq_product #(.N(N), .B(B), .SIGNED(SIGNED)) i_product (
            .clk, .en, .field(fields[i]), .crossed(crossed[i]), .own(weights[i]), .other(weights[1-i]), .y(products[i])
        );
    end
    wire [B+7:0] first, second;
    wire first_far, second_far;
    bfx_sparq_shift #(
        .W(B + N), .OW(B + 8), .SIGNED(SIGNED), .PLACES(PLACES), .TABLE(TABLE), .FAR(Far)
    ) i_first (.clk, .en, .product(products[0]), .place(places[0]), .y(first), .is_far(first_far));
    bfx_sparq_shift #(
        .W(B + N), .OW(B + 8), .SIGNED(SIGNED), .ADDED(1), .PLACES(PLACES), .TABLE(TABLE), .FAR(Far)
    ) i_second (.clk, .en, .product(products[1]), .place(places[1]), .y(second), .is_far(second_far));

    // As late as the first one, with no more registers: three in a row are a shift register, which is LUTs.
    logic [B+7:0] held;
    logic held_far;
    if (PLACES > 4) begin : gen_late
        always_ff @(posedge clk) if (en) {held, held_far} <= {second, second_far};
    end else begin : gen_now
        assign {held, held_far} = {second, second_far};
    end
    wire [B+7:0] moved = held_far ? held << Far : held;
    logic [B+8:0] sum;
    always_ff @(posedge clk) if (en) sum <= {SIGNED && first[B+7], first} + {SIGNED && moved[B+7], moved};
    wire unused = first_far;
    assign y = {SIGNED ^ sum[B+8], sum[B+7:0]};
endmodule
