// Sends LINE groups of FOLDS beats ROWS times, each group COLUMNS times in a row; then the next line.
// The next line comes into the memory while the last repetition leaves, a beat behind it.
module bfx_upsample #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned FOLDS = 1,
    parameter int unsigned LINE = 4,
    parameter int unsigned ROWS = 2,
    parameter int unsigned COLUMNS = 2,
    // verilator lint_off UNUSEDPARAM
    parameter RAM_STYLE = "distributed"
    // verilator lint_on UNUSEDPARAM
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
    localparam int unsigned Words = LINE * FOLDS;
    localparam int unsigned Bits = Words > 1 ? $clog2(Words) : 1;
    (* ram_style = RAM_STYLE *)
    logic [WIDTH-1:0] memory[Words];
    wire [Bits-1:0] write_place;
    wire write_lap;
    logic [Bits-1:0] place, group;
    logic lap;
    wire last_fold, last_column, last_row, last_group;
    wire [(FOLDS > 1 ? $clog2(FOLDS) : 1)-1:0] unused_fold;
    wire [(COLUMNS > 1 ? $clog2(COLUMNS) : 1)-1:0] unused_column;
    wire [(ROWS > 1 ? $clog2(ROWS) : 1)-1:0] unused_row;
    wire [(LINE > 1 ? $clog2(LINE) : 1)-1:0] unused_group;

    // The line that is sent is written first: its places up to write_place, or all of them when the next line comes.
    wire ahead = write_lap != lap || write_place != place;
    wire load = !out_valid || out_ready;
    wire read = load && ahead;
    wire end_group = last_fold && last_column;
    wire end_line = end_group && last_group;
    // What the last repetition has sent for the last time makes room.
    wire [Bits-1:0] room = last_row ? (last_column ? place : group) : '0;
    wire write = in_valid && in_ready;
    assign in_ready = write_lap == lap || write_place != room;

    bfx_ring #(.SIZE(Words)) writing (.clk, .rst_n, .step(write), .place(write_place), .lap(write_lap));
    bfx_counter #(.SIZE(FOLDS)) folds (.clk, .rst_n, .step(read), .count(unused_fold), .last(last_fold));
    bfx_counter #(.SIZE(COLUMNS)) columns (
        .clk, .rst_n, .step(read && last_fold), .count(unused_column), .last(last_column)
    );
    bfx_counter #(.SIZE(LINE)) groups (
        .clk, .rst_n, .step(read && end_group), .count(unused_group), .last(last_group)
    );
    bfx_counter #(.SIZE(ROWS)) rows (.clk, .rst_n, .step(read && end_line), .count(unused_row), .last(last_row));

    always_ff @(posedge clk) begin
        if (write) memory[write_place] <= in_data;
        if (read) out_data <= memory[place];
        if (!rst_n) {place, group, lap} <= '0;
        else if (read) begin
            if (end_line) begin
                {place, group} <= '0;
                lap <= lap ^ last_row;
            end else begin
                place <= last_fold && !last_column ? group : place + 1'b1;
                if (end_group) group <= place + 1'b1;
            end
        end
        if (!rst_n) out_valid <= 1'b0;
        else if (load) out_valid <= ahead;
    end
endmodule
