// Products shifted left by TABLE[place], which is split into a near shift, one of at most four, and a far one of FAR bits or
// none: a LUT per bit each. ADDED leaves the far one to the adder behind, whose LUTs take it in. Where four shifts are all
// there are, the near one is the whole shift, unless ADDED. `place` comes a cycle before the product. Latency: 1 with
// ADDED, else 2.
module bfx_sparq_shift #(
    parameter int unsigned W = 12,
    parameter int unsigned OW = 16,
    parameter bit SIGNED = 1,
    parameter bit ADDED = 0,
    parameter int unsigned PLACES = 5,
    parameter bit [PLACES-1:0][31:0] TABLE = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0},
    parameter int unsigned FAR = 2
) (
    input wire clk,
    input wire en,
    input wire [W-1:0] product,
    input wire [$clog2(PLACES)-1:0] place,
    output logic [OW-1:0] y,
    output logic is_far
);
    localparam bit Whole = !ADDED && PLACES <= 4;
    typedef bit [3:0][31:0] shifts_t;

    function automatic int unsigned near_shift(int unsigned shift);
        return Whole || shift < FAR ? shift : shift - FAR;
    endfunction

    // The near shifts that occur, without repetition; the last one again where there are fewer than four.
    function automatic shifts_t near_shifts();
        shifts_t result = '0;
        int unsigned count = 0;
        for (int unsigned amount = 0; amount < 8; amount++) begin
            bit occurs = 0;
            for (int i = 0; i < int'(PLACES); i++) occurs |= near_shift(TABLE[i]) == amount;
            if (occurs && count < 4) begin
                for (int unsigned k = count; k < 4; k++) result[k] = amount;
                count++;
            end
        end
        return result;
    endfunction

    localparam shifts_t Near = near_shifts();

    logic [1:0] chosen;
    logic far;
    always_comb begin
        {chosen, far} = '0;
        for (int i = 0; i < int'(PLACES); i++) begin
            if (int'(place) == i) begin
                far = !Whole && TABLE[i] >= FAR;
                for (int k = 3; k >= 0; k--) if (Near[k] == near_shift(TABLE[i])) chosen = 2'(k);
            end
        end
    end

    logic [1:0] near;
    logic near_far, shifted_far;
    logic [OW-1:0] extended, moved, shifted;
    assign extended = OW'($signed({SIGNED && product[W-1], product}));
    always_comb begin
        moved = extended << Near[0];
        for (int k = 1; k < 4; k++) if (Near[k] != Near[k-1] && int'(near) == k) moved = extended << Near[k];
    end
    always_ff @(posedge clk) begin
        if (en) begin
            {near, near_far} <= {chosen, far};
            {shifted, shifted_far} <= {moved, near_far};
        end
    end
    if (ADDED) begin : gen_added
        assign {y, is_far} = {shifted, shifted_far};
    end else if (Whole) begin : gen_whole
        wire unused = shifted_far;
        assign {y, is_far} = {shifted, 1'b0};
    end else begin : gen_shifted
        assign is_far = 1'b0;
        always_ff @(posedge clk) if (en) y <= shifted_far ? shifted << FAR : shifted;
    end
endmodule
