"""Modules whose resources can be counted by hand, as units to synthesise."""

from collections.abc import Mapping
from dataclasses import dataclass

from finn_transforms.rtl import RtlUnit, Stream
from finn_transforms.rtl.streams import Integers

MODULES = {
    "adder": """module {name} (input logic ap_clk, input logic [7:0] a, b, output logic [8:0] y);
    always_ff @(posedge ap_clk) y <= a + b;
endmodule
""",
    "three_operands": """module {name} (input logic ap_clk, input logic [7:0] a, b, c, output logic [9:0] y);
    always_ff @(posedge ap_clk) y <= a + b + c;
endmodule
""",
    "three_operands_unregistered": """module {name} (input logic [7:0] a, b, c, output logic [9:0] y);
    assign y = a + b + c;
endmodule
""",
    "comparator": """module {name} (input logic [15:0] a, b, output logic y);
    assign y = a < b;
endmodule
""",
    "fixed_comparator": """module {name} (input logic [24:0] a, output logic y);
    assign y = a < 25'd7123457;
endmodule
""",
    "delay": """module {name} (input logic ap_clk, input logic [3:0] d, output logic [3:0] y);
    logic [15:0][3:0] r;
    always_ff @(posedge ap_clk) r <= {{r[14:0], d}};
    assign y = r[15];
endmodule
""",
    "tapped_delay": """module {name} (
    input logic ap_clk, input logic we, input logic [4:0] tap, input logic [3:0] d, output logic [3:0] y
);
    logic [31:0][3:0] r;
    always_ff @(posedge ap_clk) if (we) r <= {{r[30:0], d}};
    assign y = r[tap];
endmodule
""",
    "multiplexer": """module {name} (input logic [15:0][1:0] a, input logic [3:0] s, output logic [1:0] y);
    assign y = a[s];
endmodule
""",
    "memory": """module {name} (
    input logic ap_clk, input logic we, input logic [4:0] wa, ra, input logic [11:0] d, output logic [11:0] y
);
    logic [11:0] r [32];
    always_ff @(posedge ap_clk) if (we) r[wa] <= d;
    assign y = r[ra];
endmodule
""",
    "block_memory": """module {name} (
    input logic ap_clk, input logic we, input logic [9:0] wa, ra, input logic [53:0] d, output logic [53:0] y
);
    (* ram_style = "block" *) logic [53:0] r [1024];
    always_ff @(posedge ap_clk) begin
        if (we) r[wa] <= d;
        y <= r[ra];
    end
endmodule
""",
    "product": """module {name} (input logic ap_clk, input logic signed [7:0] a, b, output logic signed [15:0] y);
    always_ff @(posedge ap_clk) y <= a * b;
endmodule
""",
    "mixture": """module {name} (
    input logic ap_clk, input logic we, input logic [3:0] tap, input logic signed [4:0] a, b, output logic [11:0] y
);
    logic signed [11:0] sum;
    logic [15:0][9:0] r;
    always_ff @(posedge ap_clk) begin
        sum <= sum + a * b;
        if (we && sum < 12'sd300) r <= {{r[14:0], sum[9:0]}};
    end
    assign y = {{2'b0, r[tap]}} ^ {{12{{a > b}}}};
endmodule
""",
    "broken": """module {name} (input logic ap_clk, output logic y);
    assign y = undeclared_signal;
endmodule
""",
    "looped": """module {name} (input logic a, output logic y);
    assign y = ~(y & a);
endmodule
""",
}


@dataclass(frozen=True, kw_only=True)
class Module(RtlUnit):
    """One of `MODULES`; it has no streams, only sources."""

    kind: str
    name: str = "unit_under_test"

    @property
    def inputs(self) -> tuple[Stream, ...]:
        return ()

    @property
    def outputs(self) -> tuple[Stream, ...]:
        return ()

    def golden(self, *inputs: Integers) -> tuple[Integers, ...]:
        return inputs

    def sources(self) -> Mapping[str, str]:
        return {f"{self.name}.sv": MODULES[self.kind].format(name=self.name)}

    def cycles(self) -> int:
        return 1

    def needs(self, output: int = 0) -> tuple[Integers, ...]:
        del output
        return ()
