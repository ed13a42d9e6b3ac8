// Every beat goes to each of COUNT outputs; each takes it when it is ready, the next one comes once all have.
module bfx_duplicate #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned COUNT = 2
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [COUNT*WIDTH-1:0] out_data,
    output logic [COUNT-1:0] out_valid,
    input wire [COUNT-1:0] out_ready
);
    logic [WIDTH-1:0] data;
    wire [COUNT-1:0] waiting = out_valid & ~out_ready;
    assign in_ready = waiting == '0;
    assign out_data = {COUNT{data}};
    always_ff @(posedge clk) begin
        if (in_ready) data <= in_data;
        if (!rst_n) out_valid <= '0;
        else if (in_ready) out_valid <= {COUNT{in_valid}};
        else out_valid <= waiting;
    end
endmodule
