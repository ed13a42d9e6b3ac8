// Hands out the sums of a matrix-vector unit and says when its pipeline may move: `valid` and `last` come with the words that
// the sums take in next, the last of SF words completes them.
module bfx_sums_out #(
    parameter int WIDTH = 12,
    parameter int SF = 4
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] sums,
    input wire valid,
    input wire last,
    output wire en,
    output logic [WIDTH-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    if (SF == 1) begin : gen_direct
        wire unused = &{1'b0, last};
        assign out_data = sums;
        assign en = !out_valid || out_ready;
        always_ff @(posedge clk) begin
            if (!rst_n) out_valid <= 1'b0;
            else if (en) out_valid <= valid;
        end
    end else begin : gen_held
        // A sum is complete; it moves on as soon as the one before has been taken, which at SF > 1 costs no cycle.
        logic complete;
        wire unused = &{1'b0, valid};
        assign en = !(complete && out_valid);
        always_ff @(posedge clk) begin
            if (complete && !out_valid) out_data <= sums;
            if (!rst_n) {complete, out_valid} <= '0;
            else begin
                if (en) complete <= last;
                out_valid <= out_valid ? !out_ready : complete;
            end
        end
    end
endmodule
