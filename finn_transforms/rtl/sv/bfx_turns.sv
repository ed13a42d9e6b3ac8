// Whose turn it is: stream i for LENGTHS[16*i+:16] steps, then the next one, and from the first again.
module bfx_turns #(
    parameter int unsigned COUNT = 2,
    parameter int unsigned LONGEST = 4,
    parameter logic [COUNT*16-1:0] LENGTHS = {16'd4, 16'd4},
    parameter int unsigned BITS = $clog2(COUNT)
) (
    input wire clk,
    input wire rst_n,
    input wire step,
    output logic [BITS-1:0] turn
);
    localparam int unsigned StepBits = LONGEST > 1 ? $clog2(LONGEST) : 1;
    wire [BITS-1:0] next = turn == BITS'(COUNT - 1) ? '0 : turn + 1'b1;
    wire last;
    if (LONGEST == 1) begin : gen_single
        assign last = 1'b1;
    end else begin : gen_counted
        logic [StepBits-1:0] steps;
        logic [COUNT-1:0] ends;
        always_comb begin
            for (int unsigned i = 0; i < COUNT; i++) begin
                ends[i] = turn == BITS'(i) && steps == StepBits'(LENGTHS[16*i+:16] - 16'd1);
            end
        end
        assign last = |ends;
        always_ff @(posedge clk) begin
            if (!rst_n) steps <= '0;
            else if (step) steps <= last ? '0 : steps + 1'b1;
        end
    end
    always_ff @(posedge clk) begin
        if (!rst_n) turn <= '0;
        else if (step && last) turn <= next;
    end
endmodule
