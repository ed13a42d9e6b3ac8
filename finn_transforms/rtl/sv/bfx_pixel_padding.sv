// Puts DOWN - 1 lines of zeros between HEIGHT lines and ACROSS - 1 zero pixels between LINE pixels of FOLDS beats.
module bfx_pixel_padding #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned FOLDS = 1,
    parameter int unsigned HEIGHT = 4,
    parameter int unsigned LINE = 4,
    parameter int unsigned DOWN = 2,
    parameter int unsigned ACROSS = 2
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
    wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0] unused_fold;
    wire last_fold, real_column, end_line, real_row, unused_end;
    wire is_pixel = real_row && real_column;
    wire load = !out_valid || out_ready;
    wire valid = in_valid || !is_pixel;
    wire step = load && valid;
    assign in_ready = load && is_pixel;

    bfx_counter #(.SIZE(FOLDS)) folds (.clk, .rst_n, .step, .count(unused_fold), .last(last_fold));
    bfx_stretch #(.SIZE(LINE), .STRIDE(ACROSS)) columns (
        .clk, .rst_n, .step(step && last_fold), .is_real(real_column), .last(end_line)
    );
    bfx_stretch #(.SIZE(HEIGHT), .STRIDE(DOWN)) rows (
        .clk, .rst_n, .step(step && last_fold && end_line), .is_real(real_row), .last(unused_end)
    );

    always_ff @(posedge clk) begin
        if (load) out_data <= is_pixel ? in_data : '0;
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= valid;
    end
endmodule
