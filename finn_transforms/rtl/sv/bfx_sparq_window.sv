// The N leading bits of an 8-bit number: data << shift is about the number.
//
// The window is at the lowest of the allowed SHIFTS (ascending, from 0 to 8 - N) that leaves no leading bit out. Below it
// bits are dropped, or with ROUNDING rounded half to even. What does not fit the window then saturates, or with CARRY
// goes on in the next window where that holds it. One choice of a window and one incrementer behind it.
module bfx_sparq_window #(
    parameter int unsigned N = 4,
    parameter int unsigned COUNT = 5,
    parameter bit [COUNT-1:0][31:0] SHIFTS = {32'd4, 32'd3, 32'd2, 32'd1, 32'd0},
    parameter bit ROUNDING = 1,
    parameter bit CARRY = 0
) (
    input wire [7:0] value,
    output logic [N-1:0] data,
    output logic [2:0] shift
);
    logic [COUNT-1:0][N-1:0] kept, moved;
    logic [COUNT-1:0] fits, up;
    logic [COUNT-1:0][2:0] at, following;

    for (genvar i = 0; i < int'(COUNT); i++) begin : gen_window
        localparam int unsigned Shift = SHIFTS[i];
        localparam int unsigned Next = i + 1 < int'(COUNT) ? SHIFTS[i+1] : 8;
        localparam bit Moves = CARRY && i + 1 < int'(COUNT) && Next <= N + Shift;
        assign kept[i] = value[Shift+:N];
        assign at[i] = 3'(Shift);
        assign following[i] = 3'(Moves ? Next : Shift);
        assign moved[i] = Moves ? N'(1 << (N + Shift - Next)) : '1;
        if (N + Shift == 8) begin : gen_top
            assign fits[i] = 1'b1;
        end else begin : gen_lower
            assign fits[i] = value[7:N+Shift] == '0;
        end
        if (!ROUNDING || Shift == 0) begin : gen_trim
            assign up[i] = 1'b0;
        end else if (Shift == 1) begin : gen_tie
            assign up[i] = value[0] && value[1];
        end else begin : gen_round
            assign up[i] = value[Shift-1] && (value[Shift] || value[Shift-2:0] != '0);
        end
    end

    logic [N-1:0] window, beyond;
    logic [2:0] low, high;
    logic rises;
    always_comb begin
        {window, beyond, low, high, rises} = {kept[COUNT-1], moved[COUNT-1], at[COUNT-1], following[COUNT-1], up[COUNT-1]};
        for (int i = int'(COUNT) - 2; i >= 0; i--) begin
            if (fits[i]) {window, beyond, low, high, rises} = {kept[i], moved[i], at[i], following[i], up[i]};
        end
    end
    wire leaves = rises && window == '1;
    wire unused = fits[COUNT-1];
    assign data = leaves ? beyond : window + N'(rises);
    assign shift = leaves ? high : low;
endmodule
