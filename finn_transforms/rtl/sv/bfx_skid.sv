// Holds up to two words; neither valid nor ready passes through it combinationally.
module bfx_skid #(
    parameter int unsigned WIDTH = 8
) (
    input wire clk,
    input wire rst_n,
    input wire [WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output logic [WIDTH-1:0] out_data,
    output logic out_valid,
    input wire out_ready
);
    logic [WIDTH-1:0] held;
    logic held_valid;
    wire load = !out_valid || out_ready;
    assign in_ready = !held_valid;
    always_ff @(posedge clk) begin
        if (!held_valid) held <= in_data;
        if (load) out_data <= held_valid ? held : in_data;
        if (!rst_n) {held_valid, out_valid} <= '0;
        else begin
            if (load) out_valid <= held_valid || in_valid;
            held_valid <= !load && (held_valid || in_valid);
        end
    end
endmodule
