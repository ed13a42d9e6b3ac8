// Goes round a memory of SIZE words; `lap` changes at each return, so that full can be told from empty.
module bfx_ring #(
    parameter int unsigned SIZE = 4,
    parameter int unsigned BITS = SIZE > 1 ? $clog2(SIZE) : 1
) (
    input wire clk,
    input wire rst_n,
    input wire step,
    output logic [BITS-1:0] place,
    output logic lap
);
    always_ff @(posedge clk) begin
        if (!rst_n) {lap, place} <= '0;
        else if (step) begin
            if (SIZE != 2 ** BITS && place == BITS'(SIZE - 1)) {lap, place} <= {!lap, BITS'(0)};
            else {lap, place} <= {lap, place} + 1'b1;
        end
    end
endmodule
