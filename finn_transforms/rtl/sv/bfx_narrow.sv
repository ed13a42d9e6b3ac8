// One beat becomes RATIO beats of WIDTH bits, the lowest bits first.
// A multiplexer selects from the input, which waits unregistered until its last part is taken into the output register.
// From 16 parts on, every fourth is selected first and registered: a LUT6 holds a multiplexer of four, and a register in
// between keeps synthesis from merging them into something larger.
module bfx_narrow #(
    parameter int unsigned WIDTH = 8,
    parameter int unsigned RATIO = 4
) (
    input wire clk,
    input wire rst_n,
    input wire [RATIO*WIDTH-1:0] in_data,
    input wire in_valid,
    output wire in_ready,
    output wire [WIDTH-1:0] out_data,
    output wire out_valid,
    input wire out_ready
);
    if (RATIO >= 16 && RATIO % 4 == 0) begin : gen_stages
        localparam int unsigned Quarter = RATIO / 4;
        wire [Quarter*WIDTH-1:0] part_data;
        wire part_valid, part_ready;
        bfx_narrow #(.WIDTH(Quarter * WIDTH), .RATIO(4)) first (
            .clk, .rst_n, .in_data, .in_valid, .in_ready,
            .out_data(part_data), .out_valid(part_valid), .out_ready(part_ready)
        );
        bfx_narrow #(.WIDTH(WIDTH), .RATIO(Quarter)) rest (
            .clk, .rst_n, .in_data(part_data), .in_valid(part_valid), .in_ready(part_ready),
            .out_data, .out_valid, .out_ready
        );
    end else begin : gen_one
        localparam int unsigned Bits = $clog2(RATIO);
        wire [Bits-1:0] part;
        wire last;
        logic [WIDTH-1:0] data;
        logic valid;
        wire load = !valid || out_ready;
        assign in_ready = load && last;
        assign out_data = data;
        assign out_valid = valid;
        bfx_counter #(.SIZE(RATIO)) parts (.clk, .rst_n, .step(load && in_valid), .count(part), .last);
        always_ff @(posedge clk) begin
            if (load) data <= in_data[part*WIDTH+:WIDTH];
            if (!rst_n) valid <= 1'b0;
            else if (load) valid <= in_valid;
        end
    end
endmodule
