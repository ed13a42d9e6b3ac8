// The memories of rom.txt as cells of the device; constant and equal parts take none.
module \$__BFX_ROM64_ (PORT_R_ADDR, PORT_R_RD_DATA);
  parameter [63:0] INIT = 0;
  input [5:0] PORT_R_ADDR;
  output PORT_R_RD_DATA;

  // Words that are not there are 0.
  function [63:0] defined;
    input [63:0] init;
    integer at;
    for (at = 0; at < 64; at = at + 1) defined[at] = init[at] === 1'b1;
  endfunction

  localparam [63:0] Contents = defined(INIT);
  generate
    if (Contents == 64'd0) assign PORT_R_RD_DATA = 1'b0;
    else if (Contents == ~64'd0) assign PORT_R_RD_DATA = 1'b1;
    else
      LUT6 #(
          .INIT(Contents)
      ) lut (
          .I0(PORT_R_ADDR[0]), .I1(PORT_R_ADDR[1]), .I2(PORT_R_ADDR[2]),
          .I3(PORT_R_ADDR[3]), .I4(PORT_R_ADDR[4]), .I5(PORT_R_ADDR[5]),
          .O(PORT_R_RD_DATA)
      );
  endgenerate
endmodule

module \$__BFX_ROM128_ (PORT_R_ADDR, PORT_R_RD_DATA);
  parameter [127:0] INIT = 0;
  input [6:0] PORT_R_ADDR;
  output PORT_R_RD_DATA;
  wire low, high;

  \$__BFX_ROM64_ #(.INIT(INIT[63:0])) lower (.PORT_R_ADDR(PORT_R_ADDR[5:0]), .PORT_R_RD_DATA(low));
  \$__BFX_ROM64_ #(.INIT(INIT[127:64])) upper (.PORT_R_ADDR(PORT_R_ADDR[5:0]), .PORT_R_RD_DATA(high));
  generate
    if (INIT[63:0] === INIT[127:64]) assign PORT_R_RD_DATA = low;
    else MUXF7 choice (.I0(low), .I1(high), .S(PORT_R_ADDR[6]), .O(PORT_R_RD_DATA));
  endgenerate
endmodule

module \$__BFX_ROM256_ (PORT_R_ADDR, PORT_R_RD_DATA);
  parameter [255:0] INIT = 0;
  input [7:0] PORT_R_ADDR;
  output PORT_R_RD_DATA;
  wire low, high;

  \$__BFX_ROM128_ #(.INIT(INIT[127:0])) lower (.PORT_R_ADDR(PORT_R_ADDR[6:0]), .PORT_R_RD_DATA(low));
  \$__BFX_ROM128_ #(.INIT(INIT[255:128])) upper (.PORT_R_ADDR(PORT_R_ADDR[6:0]), .PORT_R_RD_DATA(high));
  generate
    if (INIT[127:0] === INIT[255:128]) assign PORT_R_RD_DATA = low;
    else MUXF8 choice (.I0(low), .I1(high), .S(PORT_R_ADDR[7]), .O(PORT_R_RD_DATA));
  endgenerate
endmodule
