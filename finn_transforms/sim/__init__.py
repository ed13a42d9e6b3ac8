"""Bit-exact and cycle-exact simulation of generated layers with Verilator."""

from finn_transforms.sim.simulation import Bench, Simulation, SimulationError, Stalls, simulate, simulate_many

__all__ = ["Bench", "Simulation", "SimulationError", "Stalls", "simulate", "simulate_many"]
